/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the programs beside this file use of the kernel, and nothing else: a few fields of a few structures, and the
 * numbers of a few helpers. Where a field lies is not said here; the loader finds it by name in the BTF of the kernel that
 * runs (CO-RE), so one object fits 5.10 and what came after. A field that a kernel lacks is asked about first (HAS).
 */
#ifndef QUELL_KERNEL_H
#define QUELL_KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define CORE __attribute__((preserve_access_index))
/* A number that the compiler knows to be bounded, kept where the verifier sees the bound too. */
#define KEEP(value) asm volatile("" : "+r"(value))

/* Kinds of map, and helpers, by their numbers in the kernel's interface (bpf(2), bpf-helpers(7)). */
enum { MAP_HASH = 1, MAP_PERCPU_ARRAY = 6, MAP_LRU_HASH = 9, MAP_RINGBUF = 27 };
#define NUMBER(name, value) int(*name)[value]
#define TYPE(name, value) value *name

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*bpf_get_current_task)(void) = (void *)35;
static long (*bpf_probe_read_user)(void *to, u32 size, const void *from) = (void *)112;
static long (*bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*bpf_probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static u64 (*bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*bpf_ringbuf_output)(void *ring, void *data, u64 size, u64 flags) = (void *)130;

/* Reads a field: GET(to, task->mm). The helper itself writes zeros where it may not read. */
#define GET(to, field) bpf_probe_read_kernel(&(to), sizeof(to), (const void *)&(field))
#define HAS(field) __builtin_preserve_field_info(field, 2)
#define OFFSET(field) __builtin_preserve_field_info(field, 0)

struct raw_tracepoint {
	u64 args[0];
};

typedef struct {
	u32 val;
} CORE kuid_t;

typedef struct {
	int counter;
} CORE atomic_t;

struct ns_common {
	u32 inum;
} CORE;

struct pid_namespace {
	struct ns_common ns;
} CORE;

struct upid {
	int nr;
	struct pid_namespace *ns;
} CORE;

struct pid {
	u32 level;
	struct upid numbers[1];
} CORE;

struct cred {
	kuid_t uid;
	kuid_t euid;
	kuid_t fsuid;
} CORE;

struct super_block {
	u32 s_dev;
	unsigned long s_magic;
} CORE;

struct inode {
	u16 i_mode;
	struct super_block *i_sb;
	unsigned long i_ino;
	u32 i_nlink;
} CORE;

struct qstr {
	const u8 *name;
} CORE;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
} CORE;

struct vfsmount {
	struct dentry *mnt_root;
	int mnt_flags;
} CORE;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} CORE;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} CORE;

struct file {
	struct path f_path;
	struct inode *f_inode;
} CORE;

struct fdtable {
	u32 max_fds;
	struct file **fd;
} CORE;

struct files_struct {
	struct fdtable *fdt;
} CORE;

struct fs_struct {
	struct path pwd;
} CORE;

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	struct file *exe_file;
} CORE;

struct mnt_namespace {
	struct ns_common ns;
} CORE;

struct net {
	struct ns_common ns;
} CORE;

typedef struct {
	struct net *net;
} CORE possible_net_t;

struct nsproxy {
	struct mnt_namespace *mnt_ns;
} CORE;

struct tty_driver {
	int major;
	int minor_start;
} CORE;

struct tty_struct {
	int index;
	struct tty_driver *driver;
} CORE;

struct signal_struct {
	atomic_t live;
	int group_exit_code;
	u32 flags;
	struct tty_struct *tty;
} CORE;

struct task_struct {
	u32 flags;
	int exit_code;
	int pid;
	int tgid;
	u64 start_boottime;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	const struct cred *real_cred;
	const struct cred *cred;
	char comm[16];
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct mm_struct *mm;
	kuid_t loginuid;
	u32 sessionid;
} CORE;

struct linux_binprm {
	const char *filename;
	const char *interp;
} CORE;

struct module {
	char name[56];
} CORE;

struct in6_addr {
	u8 bytes[16];
};

struct sock_common {
	u32 skc_daddr;
	u32 skc_rcv_saddr;
	u16 skc_dport;
	u16 skc_num;
	u16 skc_family;
	u8 skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} CORE;

struct socket {
	struct file *file;
} CORE;

struct sock {
	struct sock_common __sk_common;
	u16 sk_protocol;
	int sk_err;
	struct socket *sk_socket;
} CORE;

struct sk_buff {
	struct sock *sk;
	u32 len;
	u32 data_len;
	u16 protocol;
	u16 transport_header;
	u16 network_header;
	u32 tail;
	u8 *head;
} CORE;

#endif
