//! The system calls that are left.
//!
//! Two filters, of which the kernel takes the stricter answer. One lists what is allowed; everything else fails with
//! `EPERM`, so that a library that asks for more than it needs goes on without. The other lists what only an attacker
//! would call; that ends the process, by a signal that the parent recognises.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::{Error, Profile};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

pub(super) fn enter(profile: Profile) -> Result<(), Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Seccomp(error.to_string());
    let deadly = compile(deadly(profile), SeccompAction::Allow, SeccompAction::KillProcess);
    let allowed = compile(allowed(profile), SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow);
    for program in [deadly, allowed] {
        let program = program.map_err(|error| failed(&error))?;
        seccompiler::apply_filter(&program).map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn compile(
    rules: Result<Rules, BackendError>,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules?, otherwise, matched, std::env::consts::ARCH.try_into()?)?.try_into()
}

/// Memory, time, its own threads' business and descriptors that it has.
const PLAIN: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_fadvise64,
    libc::SYS_close,
    libc::SYS_recvmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_sigaltstack,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

#[cfg(target_arch = "x86_64")]
const PLAIN_HERE: &[c_long] = &[libc::SYS_poll, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const PLAIN_HERE: &[c_long] = &[];

/// Looking at files by name.
const LOOKING: &[c_long] = &[
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getcwd,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_fgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_flistxattr,
];

#[cfg(target_arch = "x86_64")]
const LOOKING_HERE: &[c_long] =
    &[libc::SYS_stat, libc::SYS_lstat, libc::SYS_access, libc::SYS_readlink, libc::SYS_getdents];
#[cfg(not(target_arch = "x86_64"))]
const LOOKING_HERE: &[c_long] = &[];

/// Netlink, asked for the state of the network. Changes need capabilities that are gone.
const ASKING: &[c_long] =
    &[libc::SYS_bind, libc::SYS_getsockname, libc::SYS_getsockopt, libc::SYS_setsockopt];

/// What no reader of bytes calls.
const DEADLY: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_open,
    libc::SYS_kcmp,
    libc::SYS_connect,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_listen,
    libc::SYS_socketpair,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_open_by_handle_at,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_personality,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_capset,
    libc::SYS_process_madvise,
    libc::SYS_mknodat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mkdirat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_truncate,
];

#[cfg(target_arch = "x86_64")]
const DEADLY_HERE: &[c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_mknod,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_creat,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
];
#[cfg(not(target_arch = "x86_64"))]
const DEADLY_HERE: &[c_long] = &[];

/// `FS_IOC_GETFLAGS` of a 64-bit machine: the attributes of a file, such as immutable (ioctl_iflags(2)).
const GET_FLAGS: u64 = 0x8008_6601;
/// Any way to open that is not for reading alone. `O_TMPFILE` shares a bit with `O_DIRECTORY`, so its own bit stands here.
const NOT_READING: u64 =
    (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND | 0o20_000_000) as u64;
const MAP_KIND: u64 = 0x0f;

fn deadly(profile: Profile) -> Result<Rules, BackendError> {
    let mut rules: Rules = DEADLY.iter().chain(DEADLY_HERE).map(|call| (*call, Vec::new())).collect();
    let socket = match profile {
        Profile::Sealed | Profile::Reader | Profile::Apart => Vec::new(),
        // A library that looks for a name service on the way gets EPERM; whoever wants the network does not.
        Profile::Inspector => {
            let not = |family: libc::c_int| argument(0, SeccompCmpOp::Ne, family as u64);
            vec![SeccompRule::new(vec![not(libc::AF_NETLINK)?, not(libc::AF_UNIX)?])?]
        }
    };
    rules.insert(libc::SYS_socket, socket);
    Ok(rules)
}

fn allowed(profile: Profile) -> Result<Rules, BackendError> {
    let mut rules: Rules = PLAIN.iter().chain(PLAIN_HERE).map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_mmap, mappings()?);
    // No page ever becomes executable: what is code was code before.
    let not_code = argument(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0)?;
    rules.insert(libc::SYS_mprotect, vec![SeccompRule::new(vec![not_code])?]);
    rules.insert(
        libc::SYS_fcntl,
        any_of(1, &[libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_DUPFD_CLOEXEC])?,
    );
    // A signal to itself: how an abort ends.
    let own = argument(0, SeccompCmpOp::Eq, u64::from(std::process::id()))?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![own])?]);
    // Asked, never set.
    let no_new = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![no_new])?]);
    if profile == Profile::Sealed {
        // How a descriptor is looked at: the path is to be empty. Were it not, the root leads nowhere.
        let empty = |index| {
            argument(index, SeccompCmpOp::MaskedEq(libc::AT_EMPTY_PATH as u64), libc::AT_EMPTY_PATH as u64)
        };
        rules.insert(libc::SYS_newfstatat, vec![SeccompRule::new(vec![empty(3)?])?]);
        rules.insert(libc::SYS_statx, vec![SeccompRule::new(vec![empty(2)?])?]);
        return Ok(rules);
    }
    rules.extend(LOOKING.iter().chain(LOOKING_HERE).map(|call| (*call, Vec::new())));
    let reading = |index| SeccompRule::new(vec![argument(index, SeccompCmpOp::MaskedEq(NOT_READING), 0)?]);
    rules.insert(libc::SYS_openat, vec![reading(2)?]);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_open, vec![reading(1)?]);
    rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(vec![argument(1, SeccompCmpOp::Eq, GET_FLAGS)?])?]);
    if profile == Profile::Inspector {
        let kinds = [libc::NETLINK_ROUTE, libc::NETLINK_SOCK_DIAG];
        let netlink = kinds.map(|kind| {
            let family = argument(0, SeccompCmpOp::Eq, libc::AF_NETLINK as u64)?;
            SeccompRule::new(vec![family, argument(2, SeccompCmpOp::Eq, kind as u64)?])
        });
        rules.insert(libc::SYS_socket, netlink.into_iter().collect::<Result<_, _>>()?);
        rules.extend(ASKING.iter().map(|call| (*call, Vec::new())));
    }
    Ok(rules)
}

/// Private ones that do not grow as stacks do, for those are what the memory limit counts; shared ones of files only.
/// None executable.
fn mappings() -> Result<Vec<SeccompRule>, BackendError> {
    let code = libc::PROT_EXEC as u64;
    // Stacks and huge pages are counted elsewhere.
    let grows = (libc::MAP_GROWSDOWN | libc::MAP_HUGETLB) as u64;
    let private = argument(3, SeccompCmpOp::MaskedEq(MAP_KIND | grows), libc::MAP_PRIVATE as u64)?;
    let anonymous = libc::MAP_ANONYMOUS as u64;
    let shared = argument(3, SeccompCmpOp::MaskedEq(MAP_KIND | anonymous | grows), libc::MAP_SHARED as u64)?;
    let not_code = argument(2, SeccompCmpOp::MaskedEq(code), 0)?;
    Ok(vec![SeccompRule::new(vec![private, not_code.clone()])?, SeccompRule::new(vec![shared, not_code])?])
}

fn argument(index: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
}

fn any_of(index: u8, values: &[libc::c_int]) -> Result<Vec<SeccompRule>, BackendError> {
    let rule =
        |value: &libc::c_int| SeccompRule::new(vec![argument(index, SeccompCmpOp::Eq, *value as u64)?]);
    values.iter().map(rule).collect()
}
