//! Proof that runs nothing: the kernel is asked whether it would execute a file.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// `AT_EXECVE_CHECK` (linux/fcntl.h, since 6.14): every check of an execution, and no execution.
const AT_EXECVE_CHECK: libc::c_int = 0x10000;
/// What the child says where nothing was in the way: no check answers with it.
const PASSED: i32 = libc::ECANCELED;

/// What the kernel answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It would be let.
    Allowed,
    /// It is denied: EPERM.
    Denied,
    /// It would fail for another reason: this errno.
    Otherwise(i32),
    /// This kernel cannot be asked.
    Unknown,
}

/// Whether the kernel would execute this file, asked from a child that is not the caller: the caller itself may be let.
///
/// The file must be executable by mode, or the answer is `Otherwise(EACCES)`.
pub fn check_exec(file: impl AsFd) -> io::Result<Checked> {
    let fd = file.as_fd().as_raw_fd();
    ask(file.as_fd(), move || {
        let arguments = [c"quell".as_ptr(), std::ptr::null()];
        // SAFETY: the path and both vectors are NUL-terminated and live through the call. With AT_EXECVE_CHECK, and on
        // kernels that refuse that flag, the call returns and nothing is executed.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_execveat,
                fd,
                c"".as_ptr(),
                arguments.as_ptr(),
                [std::ptr::null::<libc::c_char>()].as_ptr(),
                libc::AT_EMPTY_PATH | AT_EXECVE_CHECK,
            )
        };
        if answer == 0 { PASSED } else { io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) }
    })
    .map(|answer| if answer == Checked::Otherwise(libc::EINVAL) { Checked::Unknown } else { answer })
}

/// Whether the kernel lets this file be opened for reading, asked in the same way.
pub fn check_open(file: impl AsFd) -> io::Result<Checked> {
    let path = format!("/proc/self/fd/{}\0", file.as_fd().as_raw_fd());
    ask(file.as_fd(), move || {
        // SAFETY: the path is NUL-terminated and lives through the call.
        let opened =
            unsafe { libc::open(path.as_ptr().cast(), libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC) };
        if opened >= 0 { PASSED } else { io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) }
    })
}

/// Has a child call `question`, which answers with an errno, and never start anything.
fn ask(_file: BorrowedFd<'_>, question: impl Fn() -> i32 + Send + Sync + 'static) -> io::Result<Checked> {
    let mut command = Command::new("/proc/self/exe");
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: between fork and its end the child makes one system call with memory that was prepared before, and hands its
    // errno back; the closure fails always, so that nothing is executed.
    unsafe {
        command.pre_exec(move || Err(io::Error::from_raw_os_error(question())));
    }
    match command.spawn() {
        Ok(mut child) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(io::ErrorKind::Other.into())
        }
        Err(error) => match error.raw_os_error() {
            Some(PASSED) => Ok(Checked::Allowed),
            Some(libc::EPERM) => Ok(Checked::Denied),
            Some(errno) => Ok(Checked::Otherwise(errno)),
            None => Err(error),
        },
    }
}
