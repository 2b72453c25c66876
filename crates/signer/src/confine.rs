//! What the signer's process gives up before it opens the key.

use std::io::{self, Read as _};

/// No new rights by whatever is executed, no core dump, no look into the memory by others of the same user, no file that
/// others may read.
#[cfg(target_os = "linux")]
pub fn confine() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, setrlimit};

    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    Ok(())
}

/// Elsewhere only the mode of new files.
#[cfg(not(target_os = "linux"))]
pub fn confine() -> io::Result<()> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    Ok(())
}

/// Ends when whoever holds the other end of the standard input ends, however that is: the kernel closes it. The kernel's own
/// signal on a parent's death is none here: it comes when the *thread* ends that started this process.
pub fn outlive_nobody() {
    let mut byte = [0; 64];
    loop {
        match io::stdin().read(&mut byte) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            _ => {}
        }
    }
}
