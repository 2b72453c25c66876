//! Pinning: a file opened by handle together with the directory and the name that it stands under.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, StatVfsMountFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::facts::{self, Facts};
use super::{Error, Event, Watch, tell};
use crate::file::{self, Stat};
use crate::process::{Identity, Proc};

const CHUNK: usize = 128 << 10;
/// Directories above the file that are compared with protected ones.
const DEPTH: usize = 512;
/// Entries of the file's directory that are looked at for its other names.
const ENTRIES: usize = 20_000;
/// Other names, and processes, that are told.
const TOLD: usize = 32;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where the file is: absolute, no part of it a symbolic link.
    pub path: PathBuf,
    /// It must have this SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// It must have this SHA-1.
    pub sha1: Option<[u8; 20]>,
    /// Refuse a larger one. Bytes.
    pub max_bytes: u64,
    /// Take the attributes immutable and append-only off it where they are in the way.
    pub lift: bool,
}

/// What must never be taken or deleted.
#[derive(Debug, Clone, Default)]
pub struct Protect {
    files: Vec<(u64, u64)>,
    directories: Vec<(u64, u64)>,
}

impl Protect {
    /// Protects what the calling process and the system's first process run and have mapped (their programs, libraries
    /// and loader: without those the machine is dead, or nobody can put the file back), whatever no rule may keep from
    /// running (shells and ways in among it), and all below `directories`.
    pub fn new(directories: &[&Path]) -> Self {
        let id = |path: &Path| rustix::fs::stat(path).ok().map(|stat| (stat.st_dev, stat.st_ino));
        let mut files: Vec<_> =
            ["/proc/self/exe", "/proc/1/exe"].iter().filter_map(|path| id(Path::new(path))).collect();
        for maps in ["/proc/self/maps", "/proc/1/maps"] {
            let mut text = Vec::new();
            if let Ok(file) = File::open(maps) {
                let _ = file.take(4 << 20).read_to_end(&mut text);
            }
            let mut paths: Vec<&[u8]> = text
                .split(|byte| *byte == b'\n')
                .filter_map(|line| Some(&line[line.iter().position(|byte| *byte == b'/')?..]))
                .collect();
            paths.dedup();
            files.extend(
                paths.into_iter().filter_map(|path| id(Path::new(std::ffi::OsStr::from_bytes(path)))),
            );
        }
        files.extend(crate::guard::unblockable());
        files.sort_unstable();
        files.dedup();
        Self { files, directories: directories.iter().filter_map(|path| id(path)).collect() }
    }

    fn check(&self, dir: &OwnedFd, stat: &Stat) -> Result<(), Error> {
        if self.files.contains(&(stat.device, stat.inode)) {
            return Err(Error::Protected(
                "the agent, the system's first process or a way into the endpoint stands on it",
            ));
        }
        let mut at: Option<OwnedFd> = None;
        for _ in 0..DEPTH {
            let here = at.as_ref().unwrap_or(dir);
            let Ok(is) = rustix::fs::fstat(here) else { break };
            if self.directories.contains(&(is.st_dev, is.st_ino)) {
                return Err(Error::Protected("it belongs to the agent"));
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let Ok(above) = rustix::fs::openat(here, "..", flags, Mode::empty()) else { break };
            if rustix::fs::fstat(&above).is_ok_and(|up| (up.st_dev, up.st_ino) == (is.st_dev, is.st_ino)) {
                break;
            }
            at = Some(above);
        }
        Ok(())
    }
}

/// A directory and a name in it.
pub(super) struct Place {
    pub dir: OwnedFd,
    pub name: OsString,
    pub path: PathBuf,
}

/// A regular file under a name.
pub(super) struct Pinned {
    pub place: Place,
    /// Opened without its content.
    pub handle: OwnedFd,
    pub file: File,
    pub stat: Stat,
}

/// Hashes of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hashes {
    pub sha1: [u8; 20],
    pub sha256: [u8; 32],
}

impl Place {
    /// Opens the directory that the path names.
    pub fn of(path: &Path) -> Result<Self, Error> {
        file::check_path(path)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(file::Error::NotRegular(file::Kind::Directory).into());
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let dir =
            rustix::fs::openat2(CWD, parent, flags, Mode::empty(), resolve).map_err(|errno| match errno {
                Errno::NOENT | Errno::NOTDIR => Error::NoParent { path: parent.to_owned() },
                Errno::LOOP => {
                    let real = std::fs::canonicalize(parent).unwrap_or_else(|_| parent.to_owned());
                    Error::ThroughLink { real: real.join(name) }
                }
                errno => file::Error::Open(errno.into()).into(),
            })?;
        Ok(Self { dir, name: name.to_owned(), path: parent.join(name) })
    }

    /// What lies under the name, without opening its content; `None` where nothing does.
    pub fn look(&self) -> Result<Option<OwnedFd>, Error> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.dir, &self.name, flags, Mode::empty()) {
            Ok(handle) => Ok(Some(handle)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(file::Error::Open(errno.into()).into()),
        }
    }

    /// Other names that a file has in the same directory, lossy.
    pub fn other_names(&self, stat: &Stat) -> Vec<String> {
        let mut found = Vec::new();
        if stat.links < 2 {
            return found;
        }
        let Ok(entries) = rustix::fs::Dir::read_from(&self.dir) else { return found };
        for entry in entries.flatten().take(ENTRIES) {
            let name = entry.file_name();
            if entry.ino() != stat.inode || name.to_bytes() == self.name.as_bytes() {
                continue;
            }
            if rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|is| (is.st_dev, is.st_ino) == (stat.device, stat.inode))
                && found.len() < TOLD
            {
                found.push(name.to_string_lossy().into_owned());
            }
        }
        found
    }

    pub fn sync(&self) -> Result<(), Error> {
        rustix::fs::fsync(&self.dir).map_err(Error::io("make the change of its directory durable"))
    }
}

impl Pinned {
    /// Opens the file that the request names, and refuses all that must not or cannot be moved.
    pub fn open(request: &Request, protect: &Protect) -> Result<Self, Error> {
        let place = Place::of(&request.path).map_err(|error| match error {
            Error::NoParent { .. } => file::Error::NotFound.into(),
            error => error,
        })?;
        let handle = place.look()?.ok_or(file::Error::NotFound)?;
        let pinned = Self::opened(place, handle)?;
        protect.check(&pinned.place.dir, &pinned.stat)?;
        if pinned.stat.size > request.max_bytes {
            let error = file::Error::TooLarge { size: pinned.stat.size, limit: request.max_bytes };
            return Err(error.into());
        }
        let flags = StatxFlags::BASIC_STATS;
        let about = rustix::fs::statx(&pinned.handle, "", AtFlags::EMPTY_PATH, flags);
        if about.is_ok_and(|about| about.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)) {
            return Err(Error::MountPoint);
        }
        let system = rustix::fs::fstatvfs(&pinned.handle).map_err(Error::io("look at its file system"))?;
        if system.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Err(Error::ReadOnly);
        }
        if facts::flags(&pinned.place.dir) & facts::LOCKED != 0 {
            return Err(Error::Immutable("its directory"));
        }
        if !request.lift && facts::flags(&pinned.file) & facts::LOCKED != 0 {
            return Err(Error::Immutable("it"));
        }
        Ok(pinned)
    }

    /// A file that lies in its place, for reading.
    pub fn opened(place: Place, handle: OwnedFd) -> Result<Self, Error> {
        let (file, stat) = file::open_handle(&handle)?;
        Ok(Self { place, handle, file, stat })
    }

    pub fn facts(&self) -> Result<Facts, Error> {
        Facts::of(&self.file, &self.stat)
    }

    /// Reads it from its start, up to the size that it had; `None` when it changed meanwhile.
    pub fn read(
        &self,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
        watch: &mut Watch<'_>,
    ) -> Result<Option<Hashes>, Error> {
        use std::os::unix::fs::FileExt;
        let (mut sha1, mut sha256) = (Sha1::new(), Sha256::new());
        let mut buffer = vec![0u8; CHUNK];
        let mut at = 0;
        loop {
            let n = match self.file.read_at(&mut buffer, at) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(file::Error::Read { at, source }.into()),
            };
            at += n as u64;
            if at > self.stat.size {
                return Ok(None);
            }
            sha1.update(&buffer[..n]);
            sha256.update(&buffer[..n]);
            sink(&buffer[..n])?;
            tell(watch, Event::Bytes(at), at)?;
        }
        let is = file::stat(&self.file).map_err(file::Error::Open)?;
        let same = at == self.stat.size
            && is.size == at
            && (is.mtime, is.ctime) == (self.stat.mtime, self.stat.ctime);
        Ok(same.then(|| Hashes { sha1: sha1.finalize().into(), sha256: sha256.finalize().into() }))
    }

    /// Names that it still has.
    pub fn links(&self) -> u64 {
        file::stat(&self.handle).map_or(0, |stat| stat.links)
    }

    /// Processes that run it.
    pub fn runs(&self) -> Vec<Identity> {
        let Ok(rows) = crate::process::rows() else { return Vec::new() };
        let of = |row: &crate::process::Row| {
            let proc = Proc::open(row.pid).ok().flatten()?;
            let exe = proc.open_at("exe", OFlags::PATH).ok()?;
            let is = rustix::fs::fstat(exe).ok()?;
            ((is.st_dev, is.st_ino) == (self.stat.device, self.stat.inode)).then(|| row.identity())
        };
        rows.iter().filter(|row| !row.kernel).filter_map(of).take(TOLD).collect()
    }
}

impl Hashes {
    pub fn check(&self, request: &Request) -> Result<(), Error> {
        if request.sha256.is_some_and(|wanted| wanted != self.sha256) {
            return Err(Error::Mismatch { kind: "SHA-256", found: crate::hex(&self.sha256) });
        }
        if request.sha1.is_some_and(|wanted| wanted != self.sha1) {
            return Err(Error::Mismatch { kind: "SHA-1", found: crate::hex(&self.sha1) });
        }
        Ok(())
    }
}

/// Device and inode.
pub(super) fn identity(fd: impl AsFd) -> Result<(u64, u64), Error> {
    let stat = rustix::fs::fstat(fd).map_err(Error::io("look at it"))?;
    Ok((stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_shell_and_what_runs_the_machine_are_not_moved() {
        let protect = Protect::new(&[]);
        for path in ["/bin/sh", "/proc/self/exe", "/proc/1/exe"] {
            let Ok(stat) = rustix::fs::stat(path) else { continue };
            assert!(protect.files.contains(&(stat.st_dev, stat.st_ino)), "{path}");
        }
        let stat = rustix::fs::stat("/etc/hostname").or_else(|_| rustix::fs::stat("/etc/passwd")).unwrap();
        assert!(!protect.files.contains(&(stat.st_dev, stat.st_ino)));
    }
}
