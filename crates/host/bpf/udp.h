/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Where UDP sockets send to, and what they ask port 53. */
#ifndef QUELL_UDP_H
#define QUELL_UDP_H

#include "tcp.h"

/* Whether a task has this file open, as far as its first descriptors tell. */
INLINE u32 holds(struct task_struct *task, struct file *file)
{
	struct files_struct *files = 0;
	struct fdtable *table = 0;
	struct file **all = 0, *one = 0;
	u32 most = 0;

	GET(files, task->files);
	GET(table, files->fdt);
	GET(most, table->max_fds);
	GET(all, table->fd);
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < FDS; i++) {
		if (i >= most)
			return 0;
		if (!bpf_probe_read_kernel(&one, sizeof(one), &all[i]) && one == file)
			return 1;
	}
	return most > FDS;
}

/*
 * Who sends by a UDP socket. A packet mostly leaves in the context of its sender; but one that waited for a neighbour's
 * address leaves in anybody's. So whoever is met first is asked whether the socket is his.
 */
INLINE struct owner *sender(u64 key, struct file *file, u64 inode)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct owner *known = bpf_map_lookup_elem(&senders, &key), owner = {};

	if (known && known->inode == inode)
		return known;
	if (!holds(task, file))
		return 0;
	/* Who may not be seen is known too, as nobody. */
	fill(&owner.who, task);
	owner.inode = inode;
	bpf_map_update_elem(&senders, &key, &owner, 0);
	return bpf_map_lookup_elem(&senders, &key);
}

INLINE u32 packet(struct net_record *record, u8 *network, u8 *transport)
{
	u16 ports[2] = {};
	u8 first[40] = {};

	if (bpf_probe_read_kernel(ports, sizeof(ports), transport))
		return 0;
	record->local_port = __builtin_bswap16(ports[0]);
	record->remote_port = __builtin_bswap16(ports[1]);
	record->protocol = PROTO_UDP;
	if (record->family == AF_IP4) {
		if (bpf_probe_read_kernel(first, 20, network) || first[9] != PROTO_UDP)
			return 0;
		__builtin_memcpy(record->local, first + 12, 4);
		__builtin_memcpy(record->remote, first + 16, 4);
	} else {
		if (bpf_probe_read_kernel(first, 40, network) || first[6] != PROTO_UDP)
			return 0;
		__builtin_memcpy(record->local, first + 8, 16);
		__builtin_memcpy(record->remote, first + 24, 16);
	}
	return 1;
}

/* Told with each packet; the first bytes are read by the agent. */
INLINE void question(struct dns_record *record, struct sk_buff *skb, u8 *head, u32 from)
{
	u32 end = 0;
	u64 length;

	GET(end, skb->tail);
	if (end <= from)
		return;
	length = end - from;
	if (length > QUESTION) {
		length = QUESTION;
		record->net.head.flags |= CUT_DATA;
	}
	KEEP(length);
	length &= 2 * QUESTION - 1;
	if (length > QUESTION || bpf_probe_read_kernel(record->data, length, head + from))
		return;
	record->length = length;
	record->net.head.kind = DNS;
	length += DNS_HEAD;
	KEEP(length);
	if (length <= sizeof(*record))
		tell(record, length, DNS);
}

INLINE u32 family_of(struct sk_buff *skb)
{
	u16 protocol = 0;
	GET(protocol, skb->protocol);
	return protocol == IP4 ? AF_IP4 : protocol == IP6 ? AF_IP6 : 0;
}

/* The socket of a packet that has begun its way here and is of UDP; others, and those that only pass, are not looked at. */
INLINE struct sock *udp_socket(struct sk_buff *skb)
{
	struct sock *sk = 0;
	u16 protocol = 0;
	u8 state = 0;

	GET(sk, skb->sk);
	if (!sk)
		return 0;
	GET(protocol, sk->sk_protocol);
	if (protocol != PROTO_UDP)
		return 0;
	/* What stands for a TCP socket that is coming or gone is shorter, and has something else there. */
	GET(state, sk->__sk_common.skc_state);
	return state == TIME_WAIT || state == NEW_SYN_RECV ? 0 : sk;
}

SEC("raw_tp/net_dev_queue")
int on_packet(struct raw_tracepoint *ctx)
{
	struct sk_buff *skb = (void *)ctx->args[0];
	struct sock *sk = udp_socket(skb);
	struct socket *socket = 0;
	struct inode *of = 0;
	struct file *file = 0;
	struct net *net = 0;
	struct flow flow = {};
	u16 network = 0, transport = 0;
	u64 inode = 0, *seen, key = (u64)sk;
	u32 zero = 0;
	u8 *head = 0;

	if (!sk)
		return 0;
	struct dns_record *all = bpf_map_lookup_elem(&dns_room, &zero);
	if (!all)
		return 0;
	struct net_record *record = &all->net;
	__builtin_memset(record, 0, sizeof(*record));
	record->family = family_of(skb);
	GET(head, skb->head);
	GET(network, skb->network_header);
	GET(transport, skb->transport_header);
	if (!record->family || !packet(record, head + network, head + transport))
		return 0;
	GET(socket, sk->sk_socket);
	GET(file, socket->file);
	if (!file)
		return 0;
	GET(of, file->f_inode);
	GET(inode, of->i_ino);
	flow.socket = key;
	flow.port = record->remote_port;
	__builtin_memcpy(flow.remote, record->remote, sizeof(flow.remote));
	seen = bpf_map_lookup_elem(&flows, &flow);
	u32 is_new = !seen || *seen != inode;
	if (!is_new && record->remote_port != 53)
		return 0;
	struct owner *owner = sender(key, file, inode);
	if (!owner) {
		if (!agent_ns)
			lose(UNATTRIBUTED);
		return 0;
	}
	if (!owner->who.pid || (own_pid && owner->who.pid == own_pid))
		return 0;
	record->head.time = bpf_ktime_get_boot_ns();
	record->head.who = owner->who;
	record->id = inode;
	GET(net, sk->__sk_common.skc_net.net);
	GET(record->net_ns, net->ns.inum);
	if (is_new) {
		bpf_map_update_elem(&flows, &flow, &inode, 0);
		owner->id += 1;
		if (owner->id > DESTINATIONS)
			lose(UDP);
		else
			say(record, UDP);
	}
	if (record->remote_port == 53)
		question(all, skb, head, (u32)transport + 8);
	return 0;
}

#endif
