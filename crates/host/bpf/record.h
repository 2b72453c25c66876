/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What is told, as it lies in the ring: one record for each thing that happened, numbers as the machine has them. Who reads
 * it knows the same places (src/recorder/decode.rs).
 */
#ifndef QUELL_RECORD_H
#define QUELL_RECORD_H

#include "kernel.h"

enum kind {
	FORK = 1,
	EXEC,
	EXIT,
	CONNECT,
	CONNECTED,
	CONNECT_FAILED,
	LISTEN,
	ACCEPT,
	TAKEN,
	UDP,
	DNS,
	MODULE,
	UNATTRIBUTED,
	KINDS,
};

enum flag {
	DELETED = 1 << 0,       /* the program's file has no name any more */
	IN_MEMORY = 1 << 1,     /* it never had one: memfd_create(2) */
	CUT_ARGS = 1 << 2,
	NO_ARGS = 1 << 3,       /* could not be read here */
	CUT_EXE = 1 << 4,
	CUT_CWD = 1 << 5,
	BY_INTERPRETER = 1 << 6,
	CUT_DATA = 1 << 7,
};

#define THREAD_OF_KERNEL 0x00200000 /* PF_KTHREAD */
#define GROUP_EXIT 4                /* SIGNAL_GROUP_EXIT */
#define NO_PARENT_MOUNT 0x4000      /* MNT_INTERNAL */
#define DEPTH 32                    /* of PID namespaces, MAX_PID_NS_LEVEL */
#define PARTS 40                    /* of a path */
#define NAME 256
#define ARGS 4096
#define ROOM 16384
#define QUESTION 512
#define FDS 64
#define DESTINATIONS 64 /* of one UDP socket, one by one */
#define IP4 0x0008 /* as it stands in a packet, on the little-endian machines that are served */
#define IP6 0xdd86
#define AF_IP4 2
#define AF_IP6 10
#define PROTO_TCP 6
#define PROTO_UDP 17

enum { ESTABLISHED = 1, SYN_SENT = 2, SYN_RECV = 3, TIME_WAIT = 6, CLOSED = 7, LISTENING = 10, NEW_SYN_RECV = 12 };

struct who {
	u64 start;
	u64 parent_start;
	u32 pid;
	u32 parent;
	u32 inner;
	u32 pid_ns;
	u32 mnt_ns;
	u32 uid;
	u32 euid;
	u32 login;
	u32 session;
	u32 tty;
	char comm[16];
};

struct head {
	u64 time;
	u32 kind;
	u32 flags;
	struct who who;
};

struct fork_record {
	struct head head;
	u64 creator_start;
	u32 creator;
	u32 pad;
};

struct exit_record {
	struct head head;
	u32 code;
	u32 pad;
};

struct exec_record {
	struct head head;
	u64 inode;
	u64 size_of_args;
	u32 device;
	u32 mode;
	u32 filename;
	u32 interp;
	u32 args;
	u32 exe;
	u32 cwd;
	u32 total;
};

struct exec_room {
	struct exec_record record;
	u8 bytes[ROOM + 2 * ARGS];
};

struct net_record {
	struct head head;
	u64 id;
	u32 net_ns;
	s32 error;
	u16 family;
	u16 protocol;
	u16 local_port;
	u16 remote_port;
	u8 local[16];
	u8 remote[16];
};

#define DNS_HEAD (sizeof(struct net_record) + sizeof(u64))
struct dns_record {
	struct net_record net;
	u32 length;
	u32 pad;
	u8 data[2 * QUESTION];
};

struct module_record {
	struct head head;
	char name[56];
};

struct owner {
	u64 id; /* of a connection; of a sender, how many places it sent to */
	u64 inode;
	struct who who;
};

struct listener {
	u32 net_ns;
	u16 port;
	u16 family;
};

struct flow {
	u64 socket;
	u64 port;
	u8 remote[16];
};

#endif
