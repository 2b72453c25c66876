/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The ring, what did not find room in it, and what one program leaves for another. */
#ifndef QUELL_MAPS_H
#define QUELL_MAPS_H

#include "record.h"

struct {
	NUMBER(type, MAP_RINGBUF);
	NUMBER(max_entries, 8 << 20);
} ring SEC(".maps");

struct {
	NUMBER(type, MAP_PERCPU_ARRAY);
	NUMBER(max_entries, KINDS);
	TYPE(key, u32);
	TYPE(value, u64);
} lost SEC(".maps");

struct {
	NUMBER(type, MAP_PERCPU_ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct exec_room);
} room SEC(".maps");

/* TCP sockets that are being connected, or were accepted and not read from yet; by address of the socket. */
struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 8192);
	TYPE(key, u64);
	TYPE(value, struct owner);
} pending SEC(".maps");

struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 2048);
	TYPE(key, struct listener);
	TYPE(value, struct owner);
} listeners SEC(".maps");

/* Who was the first to send by a UDP socket. */
struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 4096);
	TYPE(key, u64);
	TYPE(value, struct owner);
} senders SEC(".maps");

struct {
	NUMBER(type, MAP_LRU_HASH);
	NUMBER(max_entries, 8192);
	TYPE(key, struct flow);
	TYPE(value, u64);
} flows SEC(".maps");

/* One at a time: packets are queued with softirqs off. */
struct {
	NUMBER(type, MAP_PERCPU_ARRAY);
	NUMBER(max_entries, 1);
	TYPE(key, u32);
	TYPE(value, struct dns_record);
} dns_room SEC(".maps");

INLINE void lose(u32 kind)
{
	u64 *count = bpf_map_lookup_elem(&lost, &kind);
	if (count)
		*count += 1;
}

INLINE void tell(void *record, u64 size, u32 kind)
{
	if (bpf_ringbuf_output(&ring, record, size, 0))
		lose(kind);
}

#endif
