//! Looking for evidence: paths with wildcards found without following what could lead astray, facts of what lies there,
//! and programs that are run for what they say.
//!
//! A file system is written by whoever is looked for. So a walk never goes through a symbolic link that a wildcard found,
//! never waits for a pipe, stays out of what the kernel makes up unless it was sent there, and counts what it sees.

mod command;
mod look;
mod walk;

pub use command::{Ran, Run, find, run};
pub use look::{Look, Times, look};
pub use walk::{Found, Limits, Step, walk};

use rustix::process::setpriority_process;

/// `IOPRIO_WHO_PROCESS`, and the idle class shifted to its place (linux/ioprio.h).
const WHO_PROCESS: libc::c_int = 1;
const IDLE: libc::c_int = 3 << 13;

/// Has this thread, and what it starts, step behind all others for processor and disk. What the system refuses is left.
pub fn step_behind() {
    let _ = setpriority_process(None, 19);
    // SAFETY: ioprio_set takes three numbers and touches no memory; 0 means the calling thread.
    let _ = unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, IDLE) };
}
