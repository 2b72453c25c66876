/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Processes that begin, become another program, and end. */
#ifndef QUELL_PROCESS_H
#define QUELL_PROCESS_H

#include "task.h"

SEC("raw_tp/sched_process_fork")
int on_fork(struct raw_tracepoint *ctx)
{
	struct task_struct *creator = (void *)ctx->args[0], *child = (void *)ctx->args[1], *leader = 0;
	struct fork_record record = {};
	u32 flags = 0;
	int pid = 0, tgid = 0;

	GET(pid, child->pid);
	GET(tgid, child->tgid);
	GET(flags, child->flags);
	if (pid != tgid || flags & THREAD_OF_KERNEL || !begin(&record.head, child, FORK))
		return 0;
	GET(leader, creator->group_leader);
	record.creator = pid_of(leader);
	if (record.creator)
		GET(record.creator_start, leader->start_boottime);
	tell(&record, sizeof(record), FORK);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int on_exit(struct raw_tracepoint *ctx)
{
	struct task_struct *task = (void *)ctx->args[0], *leader = 0;
	struct signal_struct *signal = 0;
	struct exit_record record = {};
	u32 flags = 0;
	int live = 0;

	/* Threads pass here too; the last one ends the process. Two that end at once may both be the last. */
	GET(signal, task->signal);
	GET(live, signal->live.counter);
	GET(flags, task->flags);
	if (live || flags & THREAD_OF_KERNEL || !begin(&record.head, task, EXIT))
		return 0;
	GET(flags, signal->flags);
	if (flags & GROUP_EXIT) {
		GET(record.code, signal->group_exit_code);
	} else {
		GET(leader, task->group_leader);
		GET(record.code, leader->exit_code);
	}
	tell(&record, sizeof(record), EXIT);
	return 0;
}

/* Where the next bytes go, read anew each time: so the verifier takes every place for the same, and looks at the loops below
 * once for each turn instead of once for each way through them. Full where it is ROOM. */
INLINE u8 *place(struct exec_room *room)
{
	u32 at = *(volatile u32 *)&room->record.total;
	if (at >= ROOM)
		return 0;
	KEEP(at);
	return &room->bytes[at & (ROOM - 1)];
}

INLINE void grow(struct exec_room *room, u32 *part, u32 length)
{
	*part += length;
	room->record.total += length;
}

/* Writes the names of a path from its end up to the root of its mount namespace; what is not its whole length is flagged. */
INLINE void walk(struct exec_room *room, u32 *part, struct path *path, u32 cut)
{
	struct mount *mount = (void *)path->mnt - OFFSET(((struct mount *)0)->mnt), *above = 0;
	struct dentry *dentry = path->dentry, *parent = 0, *root = 0;
	const u8 *name = 0;

	GET(root, mount->mnt.mnt_root);
#pragma clang loop unroll(disable)
	for (int i = 0; i < PARTS; i++) {
		if (dentry == root) {
			GET(above, mount->mnt_parent);
			if (!above || above == mount)
				return;
			GET(dentry, mount->mnt_mountpoint);
			mount = above;
			GET(root, mount->mnt.mnt_root);
			continue;
		}
		u8 *to = place(room);
		if (!to)
			break;
		GET(parent, dentry->d_parent);
		GET(name, dentry->d_name.name);
		long length = bpf_probe_read_kernel_str(to, NAME, name);
		if (length <= 0)
			break;
		grow(room, part, length);
		if (parent == dentry)
			return;
		dentry = parent;
	}
	room->record.head.flags |= cut;
}

INLINE void string(struct exec_room *room, u32 *part, const char *from, u32 most)
{
	u8 *to = place(room);
	long length = to ? bpf_probe_read_kernel_str(to, most, from) : 0;
	if (length > 0)
		grow(room, part, length);
}

INLINE void arguments(struct exec_room *room, struct mm_struct *mm)
{
	unsigned long from = 0, to = 0;
	u8 *at = place(room);
	u64 length;

	GET(from, mm->arg_start);
	GET(to, mm->arg_end);
	length = to > from ? to - from : 0;
	room->record.size_of_args = length;
	if (length > ARGS) {
		length = ARGS;
		room->record.head.flags |= CUT_ARGS;
	}
	KEEP(length);
	length &= 2 * ARGS - 1;
	if (!at || bpf_probe_read_user(at, length, (void *)from))
		room->record.head.flags |= NO_ARGS;
	else
		grow(room, &room->record.args, length);
}

INLINE void program(struct exec_room *room, struct file *file)
{
	struct exec_record *record = &room->record;
	struct super_block *super = 0;
	struct inode *inode = 0;
	struct path path = {};
	u32 links = 0;
	u16 mode = 0;
	int flags = 0;

	GET(inode, file->f_inode);
	GET(record->inode, inode->i_ino);
	GET(mode, inode->i_mode);
	record->mode = mode;
	GET(links, inode->i_nlink);
	GET(super, inode->i_sb);
	GET(record->device, super->s_dev);
	GET(path.mnt, file->f_path.mnt);
	GET(path.dentry, file->f_path.dentry);
	GET(flags, path.mnt->mnt_flags);
	if (flags & NO_PARENT_MOUNT)
		record->head.flags |= IN_MEMORY;
	else if (!links)
		record->head.flags |= DELETED;
	walk(room, &record->exe, &path, CUT_EXE);
}

SEC("raw_tp/sched_process_exec")
int on_exec(struct raw_tracepoint *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	struct linux_binprm *binary = (void *)ctx->args[2];
	const char *filename = 0, *interp = 0;
	struct fs_struct *fs = 0;
	struct mm_struct *mm = 0;
	struct file *file = 0;
	struct path path = {};
	u32 zero = 0;

	struct exec_room *all = bpf_map_lookup_elem(&room, &zero);
	if (!all)
		return 0;
	struct exec_record *record = &all->record;
	__builtin_memset(record, 0, sizeof(*record));
	if (!begin(&record->head, task, EXEC))
		return 0;
	GET(filename, binary->filename);
	GET(interp, binary->interp);
	string(all, &record->filename, filename, ARGS);
	if (interp != filename) {
		record->head.flags |= BY_INTERPRETER;
		string(all, &record->interp, interp, NAME);
	}
	GET(mm, task->mm);
	arguments(all, mm);
	GET(file, mm->exe_file);
	program(all, file);
	GET(fs, task->fs);
	GET(path.mnt, fs->pwd.mnt);
	GET(path.dentry, fs->pwd.dentry);
	walk(all, &record->cwd, &path, CUT_CWD);
	u64 size = sizeof(*record) + *(volatile u32 *)&record->total;
	KEEP(size);
	if (size <= sizeof(*all))
		tell(all, size, EXEC);
	return 0;
}

SEC("raw_tp/module_load")
int on_module(struct raw_tracepoint *ctx)
{
	struct module *module = (void *)ctx->args[0];
	struct module_record record = {};

	if (!begin(&record.head, (void *)bpf_get_current_task(), MODULE))
		return 0;
	GET(record.name, module->name);
	tell(&record, sizeof(record), MODULE);
	return 0;
}

#endif
