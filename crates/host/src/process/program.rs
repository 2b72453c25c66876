//! What can be learned of a process only through its own directory: the file that it runs, and the container that it is in.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::OFlags;

use super::{Identity, Proc, list};
use crate::guard::{answers, reopen};

/// Bytes read of a process's control groups.
const CGROUP: usize = 4 << 10;

/// Opens the file that a process runs, whether it still has a name or not. What may keep the caller waiting is not opened
/// (`Unsupported`); of a process that ended meanwhile, or is another by now, nothing is (`NotFound`).
pub fn open_program(identity: Identity) -> io::Result<File> {
    let proc = find(identity)?;
    let handle = proc.open_at("exe", OFlags::PATH)?;
    if !answers(handle.as_fd(), proc.as_fd()) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let file = reopen(handle.as_fd())?;
    // It may have begun to run something else, but it is still itself.
    find(identity)?;
    Ok(file)
}

/// The id of the container that a process is in, as its control group tells it.
pub fn container_of(identity: Identity) -> Option<String> {
    let proc = find(identity).ok()?;
    let mut buffer = vec![0; CGROUP];
    list::container(&list::cgroup(&proc, &mut buffer))
}

fn find(identity: Identity) -> io::Result<Proc> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let proc = Proc::open(identity.pid).map_err(|_| gone())?.ok_or_else(gone)?;
    let row = proc.row().map_err(|_| gone())?.ok_or_else(gone)?;
    if row.identity() == identity { Ok(proc) } else { Err(gone()) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn the_file_that_runs_is_opened_and_another_process_of_that_number_is_not() {
        let own = Identity::own().unwrap();
        let opened = open_program(own).unwrap().metadata().unwrap();
        let named = std::fs::metadata(std::env::current_exe().unwrap()).unwrap();
        assert_eq!((opened.dev(), opened.ino()), (named.dev(), named.ino()));
        let other = Identity { start_time: own.start_time + 1, ..own };
        assert_eq!(open_program(other).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(container_of(other), None);
    }
}
