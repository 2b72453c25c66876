//! What a program that is started finds of our handling of signals: nothing. An agent that was started in the background of a
//! script ignores SIGINT (POSIX, "Signals and Error Handling" of the shell), and what is ignored stays so over exec(2): Ctrl-C
//! in a shell would reach nobody.

/// Every signal does what it does by default, and none is held back. For a child between fork and exec: makes system calls
/// alone, allocates nothing.
pub(crate) fn by_default() {
    // Up to the last of the real-time signals. KILL and STOP cannot be set, and the C library keeps 32 and 33 to itself.
    for signal in 1..=64 {
        // SAFETY: takes numbers; no handler of ours is called in the child.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: both calls only read and write `none`, which lives here.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    #[test]
    fn a_program_ignores_and_holds_back_nothing_that_was_ours() {
        let seen = |clear: bool| {
            let mut command = Command::new("/bin/grep");
            command.args(["-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
            // SAFETY: system calls alone, with numbers.
            unsafe {
                command.pre_exec(move || {
                    for signal in [libc::SIGINT, libc::SIGHUP, libc::SIGRTMAX()] {
                        libc::signal(signal, libc::SIG_IGN);
                    }
                    if clear {
                        by_default();
                    }
                    Ok(())
                });
            }
            let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
            let masks = output.lines().map(|line| u64::from_str_radix(&line[8..], 16).unwrap());
            masks.map(|mask| mask & !(0b11 << 31)).collect::<Vec<_>>()
        };
        assert_eq!(seen(true), [0, 0]);
        assert_ne!(seen(false), [0, 0], "the check sees what is ignored");
    }
}
