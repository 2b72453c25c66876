//! Work inside another network namespace of this machine, on a thread of its own.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Runs `work` on a new thread inside the network namespace that `path` names (such as `/proc/PID/ns/net`
/// or a file of `ip netns`). Sockets that it opens stay in that namespace wherever they are used; processes
/// that it starts live there. Needs `CAP_SYS_ADMIN`. A panic of `work` goes on in the caller.
pub fn within<T: Send>(path: &Path, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    let namespace = File::open(path)?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            use std::os::fd::AsFd as _;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
