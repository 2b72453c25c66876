//! One look at what was told of: where it lies, and what it is.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};

use super::Heard;
use super::group::{Directory, Named};
use super::places::is_sensitive;
use super::systems::Systems;
use crate::recorder::raw::{Change, FileChange, FileFacts, Format};

/// Directories that are held at one time.
const MOST: usize = 128;
/// Directories whose paths are remembered.
const KNOWN: usize = 1024;
/// Texts that are run by naming them to another program, so that nothing in them says so.
const SCRIPTS: &[&str] =
    &["bash", "class", "jar", "js", "jsp", "ko", "lua", "php", "pl", "ps1", "py", "pyc", "rb", "sh", "war"];
const RUNS: u32 = 0o111;

/// Directories whose paths were found to lead to them.
#[derive(Debug, Default)]
pub(super) struct Verified(HashMap<Directory, PathBuf>);

impl Verified {
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// What was opened for one reading. All of it is closed with it.
pub(super) struct Batch<'a> {
    systems: &'a Systems,
    verified: &'a mut Verified,
    roots: HashMap<(u64, usize), Option<OwnedFd>>,
    directories: HashMap<Directory, Result<Found, Missing>>,
    /// Changes in directories that were gone before they could be looked at.
    pub vanished: u64,
    /// Changes in directories that are there, and that no path leads to from here.
    pub unseen: u64,
}

/// Why a directory is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// It was removed.
    Gone,
    /// No place of its file system leads to it, or not any more.
    Elsewhere,
}

/// A directory, and its path.
struct Found {
    handle: OwnedFd,
    path: PathBuf,
    foreign: bool,
}

impl<'a> Batch<'a> {
    pub fn new(systems: &'a Systems, verified: &'a mut Verified) -> Self {
        Self { systems, verified, roots: HashMap::new(), directories: HashMap::new(), vanished: 0, unseen: 0 }
    }

    /// The path of a name, as far as it can be seen from here.
    pub fn path(&mut self, name: &Named) -> Option<PathBuf> {
        self.find(&name.directory).ok().map(|found| found.path.join(&name.name))
    }

    /// A file that has this name alone, and holds what is written to it.
    pub fn is_plain(&mut self, name: &Named) -> bool {
        let Ok(found) = self.find(&name.directory) else { return false };
        let Some(facts) = handle(found, name).and_then(|file| rustix::fs::fstat(file).ok()) else {
            return true;
        };
        FileType::from_raw_mode(facts.st_mode).is_file() && facts.st_nlink == 1
    }

    /// Looks at it, and tells what is worth it.
    pub fn tell(
        &mut self,
        at: u64,
        pid: u32,
        name: &Named,
        change: Change,
        all: bool,
        tell: &mut dyn FnMut(Heard),
    ) {
        let found = match self.find(&name.directory) {
            Ok(found) => found,
            Err(Missing::Gone) => {
                self.vanished += 1;
                return;
            }
            Err(Missing::Elsewhere) => {
                self.unseen += 1;
                return;
            }
        };
        let (path, foreign) = (found.path.join(&name.name), found.foreign);
        let sensitive = is_sensitive(&path);
        let facts = handle(found, name).and_then(|file| facts(file.as_fd()));
        let is_program = facts.is_some_and(|facts| {
            facts.format != Format::Other
                || FileType::from_raw_mode(facts.mode).is_file() && facts.mode & RUNS != 0
        });
        let is_told = sensitive
            || is_program
            || is_script(&path)
            || all && facts.is_some() && !matches!(change, Change::Written);
        if is_told {
            tell(Heard { at, pid, change: FileChange { change, path, foreign, facts, sensitive } });
        }
    }

    fn find(&mut self, directory: &Directory) -> Result<&Found, Missing> {
        if !self.directories.contains_key(directory) {
            if self.directories.len() >= MOST {
                self.directories.clear();
            }
            let found = self.open(directory);
            self.directories.insert(directory.clone(), found);
        }
        self.directories.get(directory).ok_or(Missing::Elsewhere)?.as_ref().map_err(|missing| *missing)
    }

    /// By each place of its file system: a mount of a part does not show what lies outside of it.
    fn open(&mut self, directory: &Directory) -> Result<Found, Missing> {
        let (system, mut missing) = (directory.system, Missing::Elsewhere);
        for (number, place) in self.systems.places(system).iter().enumerate() {
            let root = self.roots.entry((system, number)).or_insert_with(|| place.open().ok());
            let Some(opened) = root.as_ref().map(|root| directory.open(root.as_fd())) else { continue };
            let handle = match opened {
                Ok(handle) if is_removed(handle.as_fd()) => return Err(Missing::Gone),
                Ok(handle) => handle,
                Err(error) => {
                    if error.raw_os_error() == Some(libc::ESTALE) {
                        missing = Missing::Gone;
                    }
                    continue;
                }
            };
            let Ok(path) = std::fs::read_link(format!("/proc/thread-self/fd/{}", handle.as_raw_fd())) else {
                continue;
            };
            if place.is_foreign() || self.verified.0.get(directory) == Some(&path) {
                return Ok(Found { handle, path, foreign: place.is_foreign() });
            }
            let within = path.strip_prefix(&place.path).unwrap_or(Path::new(""));
            if root.as_ref().is_some_and(|root| leads_to(root.as_fd(), within, handle.as_fd())) {
                if self.verified.0.len() >= KNOWN {
                    self.verified.clear();
                }
                self.verified.0.insert(directory.clone(), path.clone());
                return Ok(Found { handle, path, foreign: false });
            }
            // While its path was looked for.
            if is_removed(handle.as_fd()) {
                return Err(Missing::Gone);
            }
        }
        Err(missing)
    }
}

/// Whether an open directory has no name any more: whoever holds it keeps it from being forgotten.
fn is_removed(directory: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(directory).is_ok_and(|facts| facts.st_nlink == 0)
}

/// Whether the path leads to this directory, from the root of its mount and without leaving it.
fn leads_to(root: BorrowedFd<'_>, path: &Path, directory: BorrowedFd<'_>) -> bool {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let within = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    let same = |there: OwnedFd| {
        let (one, other) = (rustix::fs::fstat(&there)?, rustix::fs::fstat(directory)?);
        Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
    };
    rustix::fs::openat2(root, path, flags, Mode::empty(), within).and_then(same) == Ok(true)
}

/// A handle of what has this name, on the directory's own file system.
fn handle(found: &Found, name: &Named) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let within = ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(&found.handle, &name.name, flags, Mode::empty(), within).ok()
}

fn facts(file: BorrowedFd<'_>) -> Option<FileFacts> {
    let facts = crate::guard::facts(file).ok()?;
    let mode = u32::from(facts.stx_mode);
    let is_file = FileType::from_raw_mode(mode).is_file();
    Some(FileFacts {
        size: facts.stx_size,
        mode,
        uid: facts.stx_uid,
        inode: facts.stx_ino,
        device: (facts.stx_dev_major, facts.stx_dev_minor),
        format: if is_file && facts.stx_size > 1 { format(file) } else { Format::Other },
    })
}

/// By its first bytes.
fn format(file: BorrowedFd<'_>) -> Format {
    let path = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOATIME;
    let mut first = [0; 4];
    let read =
        rustix::fs::open(path, flags, Mode::empty()).and_then(|file| rustix::io::read(file, &mut first));
    match (read, first) {
        (Ok(4), [0x7f, b'E', b'L', b'F']) => Format::Elf,
        (Ok(2..), [b'#', b'!', ..]) => Format::Script,
        _ => Format::Other,
    }
}

fn is_script(path: &Path) -> bool {
    let end = path.extension().map(std::ffi::OsStr::as_bytes);
    end.is_some_and(|end| SCRIPTS.binary_search_by(|script| script.as_bytes().cmp(end)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_known_by_their_names_too() {
        assert!(SCRIPTS.is_sorted());
        assert!(is_script(Path::new("/tmp/x.py")) && !is_script(Path::new("/tmp/x.o")));
        assert!(!is_script(Path::new("/tmp/py")));
    }
}
