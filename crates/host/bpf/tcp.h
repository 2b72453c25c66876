/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* TCP connections: asked for, come about or not, waited for, accepted. */
#ifndef QUELL_TCP_H
#define QUELL_TCP_H

#include "task.h"

INLINE void addresses(struct net_record *record, struct sock *sk)
{
	struct net *net = 0;
	u16 port = 0;

	GET(record->family, sk->__sk_common.skc_family);
	GET(record->protocol, sk->sk_protocol);
	GET(record->local_port, sk->__sk_common.skc_num);
	GET(port, sk->__sk_common.skc_dport);
	record->remote_port = __builtin_bswap16(port);
	GET(net, sk->__sk_common.skc_net.net);
	GET(record->net_ns, net->ns.inum);
	if (record->family == AF_IP4) {
		bpf_probe_read_kernel(record->local, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_probe_read_kernel(record->remote, 4, &sk->__sk_common.skc_daddr);
	} else if (record->family == AF_IP6 && HAS(sk->__sk_common.skc_v6_daddr)) {
		bpf_probe_read_kernel(record->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(record->remote, 16, &sk->__sk_common.skc_v6_daddr);
	}
}

INLINE void say(struct net_record *record, u32 kind)
{
	record->head.kind = kind;
	if (!own_pid || record->head.who.pid != own_pid)
		tell(record, sizeof(*record), kind);
}

/* connect(2), in the context of who calls it. */
INLINE void connecting(struct net_record *record, u64 key)
{
	struct owner owner = {};

	if (!begin(&record->head, (void *)bpf_get_current_task(), CONNECT))
		return;
	owner.id = record->id = record->head.time;
	owner.who = record->head.who;
	bpf_map_update_elem(&pending, &key, &owner, 0);
	say(record, CONNECT);
}

/* How that ended, wherever the kernel learns of it. */
INLINE void connected(struct net_record *record, u64 key, struct sock *sk, int state)
{
	struct owner *owner = bpf_map_lookup_elem(&pending, &key);

	if (!owner)
		return;
	record->head.time = bpf_ktime_get_boot_ns();
	record->head.who = owner->who;
	record->id = owner->id;
	bpf_map_delete_elem(&pending, &key);
	if (state != ESTABLISHED)
		GET(record->error, sk->sk_err);
	say(record, state == ESTABLISHED ? CONNECTED : CONNECT_FAILED);
}

INLINE void listening(struct net_record *record)
{
	struct listener key = { .net_ns = record->net_ns, .port = record->local_port, .family = record->family };
	struct owner owner = {};

	if (!begin(&record->head, (void *)bpf_get_current_task(), LISTEN))
		return;
	owner.id = record->id = record->head.time;
	owner.who = record->head.who;
	bpf_map_update_elem(&listeners, &key, &owner, 0);
	say(record, LISTEN);
}

/* A connection from outside is complete. The kernel finishes it on its own; so first it is the listener's, and then
 * whose program reads from it first. */
INLINE void accepted(struct net_record *record, u64 key)
{
	struct listener at = { .net_ns = record->net_ns, .port = record->local_port, .family = record->family };
	struct owner *listener = bpf_map_lookup_elem(&listeners, &at), owner = {};

	record->head.time = owner.id = record->id = bpf_ktime_get_boot_ns();
	if (listener) {
		record->head.who = owner.who = listener->who;
		say(record, ACCEPT);
	}
	bpf_map_update_elem(&pending, &key, &owner, 0);
}

SEC("raw_tp/inet_sock_set_state")
int on_state(struct raw_tracepoint *ctx)
{
	struct sock *sk = (void *)ctx->args[0];
	int from = ctx->args[1], to = ctx->args[2];
	struct net_record record = {};
	u64 key = ctx->args[0];

	if (to != SYN_SENT && to != ESTABLISHED && to != CLOSED && to != LISTENING)
		return 0;
	if (to == CLOSED && from != SYN_SENT) {
		if (from != LISTENING)
			bpf_map_delete_elem(&pending, &key);
		return 0;
	}
	addresses(&record, sk);
	if (record.protocol != PROTO_TCP)
		return 0;
	if (to == SYN_SENT)
		connecting(&record, key);
	else if (from == SYN_SENT)
		connected(&record, key, sk, to);
	else if (to == LISTENING)
		listening(&record);
	else if (from == SYN_RECV)
		accepted(&record, key);
	return 0;
}

SEC("raw_tp/tcp_rcv_space_adjust")
int on_read(struct raw_tracepoint *ctx)
{
	struct sock *sk = (void *)ctx->args[0];
	struct net_record record = {};
	u64 key = ctx->args[0];
	struct owner *owner = bpf_map_lookup_elem(&pending, &key);

	if (!owner)
		return 0;
	u64 id = owner->id, listener = owner->who.start;
	bpf_map_delete_elem(&pending, &key);
	if (!begin(&record.head, (void *)bpf_get_current_task(), TAKEN) || record.head.who.start == listener)
		return 0;
	record.id = id;
	addresses(&record, sk);
	say(&record, TAKEN);
	return 0;
}

#endif
