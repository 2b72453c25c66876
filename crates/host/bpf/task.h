/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Who did something: a process, by its number in the agent's PID namespace and the moment it began. */
#ifndef QUELL_TASK_H
#define QUELL_TASK_H

#include "maps.h"

/* Said by the loader. */
const volatile u32 agent_ns = 0;  /* inode of the agent's PID namespace; 0: the machine's own, so everybody */
const volatile u32 own_pid = 0;   /* a process whose own doings on the network are left out */

/* How deep the agent's PID namespace lies; found when the first of its tasks is met. */
static volatile int agent_level = -1;

/* The number of a process in the agent's PID namespace; 0 where it has none there. */
INLINE u32 number(struct pid *pid)
{
	struct upid one = {};
	u32 level = 0, inum = 0;
	int at = agent_level;
	u8 *first = (u8 *)&pid->numbers;

	if (!pid)
		return 0;
	if (!agent_ns) {
		GET(one.nr, pid->numbers[0].nr);
		return one.nr;
	}
	GET(level, pid->level);
	if (at >= 0) {
		if (level < (u32)at || bpf_probe_read_kernel(&one, sizeof(one), first + at * sizeof(one)))
			return 0;
		GET(inum, one.ns->ns.inum);
		return inum == agent_ns ? one.nr : 0;
	}
#pragma clang loop unroll(disable)
	for (int i = 0; i < DEPTH; i++) {
		if (level < (u32)i || bpf_probe_read_kernel(&one, sizeof(one), first + i * sizeof(one)))
			return 0;
		GET(inum, one.ns->ns.inum);
		if (inum == agent_ns) {
			agent_level = i;
			return one.nr;
		}
	}
	return 0;
}

INLINE u32 pid_of(struct task_struct *leader)
{
	struct pid *pid = 0;
	GET(pid, leader->thread_pid);
	return number(pid);
}

/* Its number in its own namespace, and which that is. */
INLINE void innermost(struct who *who, struct task_struct *leader)
{
	struct pid *pid = 0;
	struct upid one = {};
	u32 level = 0;

	GET(pid, leader->thread_pid);
	GET(level, pid->level);
	if (level > DEPTH || bpf_probe_read_kernel(&one, sizeof(one), (u8 *)&pid->numbers + level * sizeof(one)))
		return;
	who->inner = one.nr;
	GET(who->pid_ns, one.ns->ns.inum);
}

INLINE void terminal(struct who *who, struct signal_struct *signal)
{
	struct tty_struct *tty = 0;
	struct tty_driver *driver = 0;
	int major = 0, minor = 0, index = 0;

	GET(tty, signal->tty);
	if (!tty)
		return;
	GET(driver, tty->driver);
	GET(major, driver->major);
	GET(minor, driver->minor_start);
	GET(index, tty->index);
	who->tty = major << 20 | ((minor + index) & 0xfffff);
}

/* Everything about a process; 0 where the agent may not see it. */
/* A function of its own, since all programs have it. */
static __attribute__((noinline)) u32 fill(struct who *who, struct task_struct *task)
{
	struct task_struct *leader = 0, *parent = 0;
	const struct cred *cred = 0;
	struct nsproxy *spaces = 0;
	struct mnt_namespace *mounts = 0;
	struct signal_struct *signal = 0;

	GET(leader, task->group_leader);
	who->pid = pid_of(leader);
	if (!who->pid)
		return 0;
	GET(who->start, leader->start_boottime);
	innermost(who, leader);
	GET(parent, leader->real_parent);
	GET(parent, parent->group_leader);
	who->parent = pid_of(parent);
	if (who->parent)
		GET(who->parent_start, parent->start_boottime);
	GET(cred, task->cred);
	GET(who->uid, cred->uid.val);
	GET(who->euid, cred->euid.val);
	who->login = who->session = ~0u;
	if (HAS(task->loginuid)) {
		GET(who->login, task->loginuid.val);
		GET(who->session, task->sessionid);
	}
	GET(spaces, task->nsproxy);
	if (spaces) {
		GET(mounts, spaces->mnt_ns);
		GET(who->mnt_ns, mounts->ns.inum);
	}
	GET(signal, task->signal);
	terminal(who, signal);
	GET(who->comm, task->comm);
	return who->pid;
}

INLINE u32 begin(struct head *head, struct task_struct *task, u32 kind)
{
	head->time = bpf_ktime_get_boot_ns();
	head->kind = kind;
	return fill(&head->who, task);
}

#endif
