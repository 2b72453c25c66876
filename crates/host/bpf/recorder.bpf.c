/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the flight recorder hears from the kernel: processes that begin, change and end, and what they do on the network.
 *
 * Raw tracepoints only: they need no tracefs, no cgroup to attach to and no kprobes, and are there since 5.10. Each program
 * is small, waits for nothing and ends in one record of a ring; what finds no room there is counted by kind. Who is seen is
 * decided here: tasks of the agent's own PID namespace and those below it, by their number in the agent's namespace.
 */
#include "process.h"
#include "udp.h"

char _license[] SEC("license") = "Dual MIT/GPL";
