//! Removing a directory with all that lies in it, and nothing that lies elsewhere.
//!
//! What is removed was written by programs of others, root among them: they may have mounted other places of the machine
//! into it, nested it deeper than a path can be long, or filled it with millions of files. So mounts are taken away first,
//! none is ever gone into, and what is nested is lifted to the top instead of being followed down.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, StatxAttributes, StatxFlags,
    openat2, renameat_with, statx, unlinkat,
};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};

/// For all of it: millions of files are gone by then, and a directory that somebody goes on filling never is.
const TIME: Duration = Duration::from_mins(5);
/// Looks at the mounts: one is enough, but for mounts that were moved over one another.
const LOOKS: u32 = 16;

/// Removes the directory, or the file; that there is none is no error. No link is followed in any part of the path: what
/// was put in the place of a directory is removed itself, and where it leads nothing changes.
///
/// # Errors
/// Something cannot be removed: a mount that cannot be taken away, a file that is immutable, a directory that somebody
/// goes on filling. All else is gone then.
pub fn remove(path: &Path) -> io::Result<()> {
    remove_until(path, Instant::now() + TIME)
}

fn remove_until(path: &Path, late: Instant) -> io::Result<()> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let name = Path::new(name);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let above = match openat2(CWD, above, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Ok(above) => above,
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    if !detach(above.as_fd(), name) {
        tracing::warn!(path = %path.display(), "a link stands where a directory was; only the link goes");
    }
    match unlinkat(&above, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = openat2(&above, name, flags, Mode::empty(), BELOW | ResolveFlags::NO_XDEV)?;
    let mut lifted = 0;
    while Instant::now() < late {
        let mut pass = Pass { root: root.as_fd(), lifted: &mut lifted, late, has_done: false, problem: None };
        pass.clear()?;
        // What comes up while a directory is read may be passed over by that reading, so there is another one.
        if let Pass { has_done: false, problem, .. } = pass {
            return match problem {
                Some(errno) => Err(errno.into()),
                None => Ok(unlinkat(&above, name, AtFlags::REMOVEDIR)?),
            };
        }
    }
    Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, "somebody goes on writing into it"))
}

/// How names are resolved below a directory.
const BELOW: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

/// Takes away every mount at the name and below. Where that is not allowed they stay, and what they cover too. `false`: a
/// link stands there.
fn detach(above: BorrowedFd<'_>, name: &Path) -> bool {
    for _ in 0..LOOKS {
        let Ok(handle) = handle(above, name) else { return true };
        let kind = rustix::fs::fstat(&handle).map(|facts| FileType::from_raw_mode(facts.st_mode));
        if kind == Ok(FileType::Symlink) {
            return false;
        }
        // Of this thread, which may be in another mount namespace than the first one.
        let (Ok(place), Ok(mounts)) = (
            std::fs::read_link(by_descriptor(&handle)),
            crate::guard::mounts(Path::new("/proc/thread-self/mountinfo")),
        ) else {
            return true;
        };
        let mut has_done = false;
        for mount in &mounts {
            let Ok(below) = mount.place.strip_prefix(&place) else { continue };
            let below = if below.as_os_str().is_empty() { name.to_owned() } else { name.join(below) };
            has_done |= match detach_one(above, &below) {
                Ok(was_mount) => was_mount,
                Err(errno) => {
                    tracing::warn!(place = %mount.place.display(), %errno, "a mount in a directory that goes stays");
                    false
                }
            };
        }
        if !has_done {
            return true;
        }
    }
    true
}

/// Takes one mount away with all that is mounted in it: by a descriptor of its root, so that it is this one and no other
/// whatever becomes of the names.
fn detach_one(above: BorrowedFd<'_>, below: &Path) -> Result<bool, Errno> {
    let handle = match handle(above, below) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
        handle => handle?,
    };
    let facts = statx(&handle, "", AtFlags::EMPTY_PATH, StatxFlags::empty())?;
    if !facts.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Ok(false);
    }
    let place = by_descriptor(&handle);
    // What is mounted in a view of another place would go there as well, were the two to tell each other.
    mount_change(&place, MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    unmount(&place, UnmountFlags::DETACH)?;
    Ok(true)
}

fn handle(above: BorrowedFd<'_>, below: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat2(above, below, flags, Mode::empty(), BELOW)
}

fn by_descriptor(handle: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", handle.as_raw_fd()).into()
}

/// One reading of the root.
struct Pass<'a> {
    root: BorrowedFd<'a>,
    /// Directories that were lifted; numbers the names that they get.
    lifted: &'a mut u64,
    late: Instant,
    has_done: bool,
    problem: Option<Errno>,
}

impl Pass<'_> {
    fn clear(&mut self) -> io::Result<()> {
        let (root, late) = (self.root, self.late);
        each(root, late, |name| {
            let gone = match unlinkat(root, name, AtFlags::empty()) {
                Err(Errno::ISDIR) => self.directory(name),
                gone => gone,
            };
            self.note(gone);
        })
    }

    /// Empties a directory of the root, and removes it.
    fn directory(&mut self, name: &CStr) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_XDEV | ResolveFlags::BENEATH;
        let inner = openat2(self.root, name, flags, Mode::empty(), resolve)?;
        let read = each(inner.as_fd(), self.late, |name| {
            let gone = match unlinkat(&inner, name, AtFlags::empty()) {
                Err(Errno::ISDIR) => self.lift(&inner, name),
                gone => gone,
            };
            self.note(gone);
        });
        read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        unlinkat(self.root, name, AtFlags::REMOVEDIR)
    }

    /// Moves a directory to the root, unless it is empty.
    fn lift(&mut self, from: &OwnedFd, name: &CStr) -> Result<(), Errno> {
        match unlinkat(from, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY) => {}
            gone => return gone,
        }
        loop {
            *self.lifted += 1;
            let to = format!("lifted-{}", *self.lifted);
            match renameat_with(from, name, self.root, to, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                moved => return moved,
            }
        }
    }

    fn note(&mut self, gone: Result<(), Errno>) {
        match gone {
            Ok(()) => self.has_done = true,
            Err(Errno::NOENT) => {}
            Err(errno) => self.problem = Some(errno),
        }
    }
}

/// Every entry, until it is late: a directory that is filled as fast as it is read has no end.
fn each(directory: BorrowedFd<'_>, late: Instant, mut entry: impl FnMut(&CStr)) -> io::Result<()> {
    for found in Dir::read_from(directory)? {
        if Instant::now() >= late {
            return Ok(());
        }
        let found = found?;
        if !matches!(found.file_name().to_bytes(), b"." | b"..") {
            entry(found.file_name());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_directory_that_somebody_goes_on_filling_is_given_up() {
        let space = tempfile::tempdir().unwrap();
        let work = space.path().canonicalize().unwrap().join("work");
        std::fs::create_dir(&work).unwrap();
        let (into, is_over) = (work.clone(), Arc::new(AtomicBool::new(false)));
        let told = is_over.clone();
        let writer = std::thread::spawn(move || {
            let mut number = 0u64;
            while !told.load(Ordering::Relaxed) {
                let _ = std::fs::write(into.join(format!("n{number}")), "");
                number += 1;
            }
        });
        let begun = Instant::now();
        let _ = remove_until(&work, begun + Duration::from_secs(1));
        let took = begun.elapsed();
        is_over.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        assert!(took < Duration::from_secs(10), "{took:?}");
        remove(&work).unwrap();
        assert!(!work.exists());
    }
}
