//! Hands open sockets to a program that is about to be started.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Descriptors start here, after the standard three.
const FIRST: RawFd = 3;

/// The child finds `sockets` as descriptors 3, 4, …, with `LISTEN_FDS` and `LISTEN_FDNAMES` as systemd's socket
/// activation has them (`sd_listen_fds(3)`). `LISTEN_PID` is not set, because the environment is made before there is
/// a pid: a receiver takes its absence for "meant for me". The sockets close here when `command` is dropped.
pub fn pass_sockets(command: &mut Command, sockets: Vec<(String, OwnedFd)>) {
    let names: Vec<String> = sockets.iter().map(|(name, _)| name.replace(':', "_")).collect();
    command
        .env("LISTEN_FDS", sockets.len().to_string())
        .env("LISTEN_FDNAMES", names.join(":"))
        .env_remove("LISTEN_PID");
    let mut aside: Vec<RawFd> = vec![-1; sockets.len()];
    let place = move || {
        let count = sockets.len() as RawFd;
        // A socket may sit where another is to go, so all step aside first.
        for ((_, socket), slot) in sockets.iter().zip(&mut aside) {
            // SAFETY: fcntl takes plain numbers; the descriptor is open, for it is owned by the closure.
            *slot =
                checked(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST + count) })?;
        }
        for (place, slot) in (FIRST..).zip(&aside) {
            // SAFETY: as above. What dup2 closes at `place` is a copy in this child, which runs nothing but exec
            // after this.
            checked(unsafe { libc::dup2(*slot, place) })?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec only fcntl and dup2 are called, which are async-signal-safe; nothing is
    // allocated, for `aside` was made before.
    unsafe { command.pre_exec(place) };
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_child_finds_the_sockets_in_order() {
        let listeners: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let inodes = listeners.iter().map(|l| {
            std::fs::read_link(format!("/proc/self/fd/{}", l.as_raw_fd())).unwrap().display().to_string()
        });
        let expected = format!("3 a:b:c {}", inodes.collect::<Vec<_>>().join(" "));
        let mut command = Command::new("/bin/sh");
        command.args([
            "-c",
            "echo $LISTEN_FDS $LISTEN_FDNAMES $(readlink /proc/$$/fd/3 /proc/$$/fd/4 /proc/$$/fd/5)",
        ]);
        pass_sockets(
            &mut command,
            ["a", "b", "c"]
                .map(String::from)
                .into_iter()
                .zip(listeners.into_iter().map(Into::into))
                .collect(),
        );
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), expected);
    }
}
