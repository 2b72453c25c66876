//! The private directory beside a file: `.quell-<id>`, mode 0700, on the same file system, so that a rename moves a name
//! into it in one step and nobody else can reach what lies there. What lies in it is compared with what was pinned
//! before anything is done for good.
//!
//! A note in it says which file is meant, so that a later run can finish what one began that died.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::pin::{Hashes, Pinned, Place, identity};
use super::{Error, facts};
use crate::file;

const FILE: &CStr = c"file";
const NOTE: &CStr = c"note";
/// `OVERLAYFS_SUPER_MAGIC` of linux/magic.h: there a file may get another inode when its name moves.
const OVERLAY: u64 = 0x794c_7630;

/// The directory, open.
pub(super) struct Stage<'a> {
    place: &'a Place,
    dir: OwnedFd,
    name: String,
}

/// What the note says of the file that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note {
    pub identity: (u64, u64),
    pub size: u64,
    pub mtime: (i64, u32),
}

impl Note {
    pub fn of(pinned: &Pinned) -> Self {
        let stat = pinned.stat;
        Self { identity: (stat.device, stat.inode), size: stat.size, mtime: stat.mtime }
    }
}

impl<'a> Stage<'a> {
    fn name(id: &str) -> String {
        format!(".quell-{id}")
    }

    /// Makes it, or takes the one of an earlier run.
    pub fn make(place: &'a Place, id: &str) -> Result<Self, Error> {
        let name = Self::name(id);
        match rustix::fs::mkdirat(&place.dir, &name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(Errno::ROFS) => return Err(Error::ReadOnly),
            Err(Errno::PERM) if facts::flags(&place.dir) & facts::LOCKED != 0 => {
                return Err(Error::Immutable("its directory"));
            }
            Err(errno) => return Err(Error::io("make a private directory beside it")(errno)),
        }
        Self::find(place, id)?.ok_or_else(|| Error::io("open the private directory")(Errno::NOENT))
    }

    /// The one of an earlier run; `None` where there is none. One that is not ours is refused.
    pub fn find(place: &'a Place, id: &str) -> Result<Option<Self>, Error> {
        let name = Self::name(id);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = match rustix::fs::openat(&place.dir, &name, flags, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(Error::io("open the private directory")(errno)),
        };
        let stat = rustix::fs::fstat(&dir).map_err(Error::io("look at the private directory"))?;
        let own = rustix::process::geteuid().as_raw();
        if stat.st_uid != own || stat.st_mode & 0o077 != 0 {
            return Err(Error::Protected(
                "somebody else made a directory of the name that is needed beside it",
            ));
        }
        Ok(Some(Self { place, dir, name }))
    }

    /// Durable when this returns.
    pub fn write_note(&self, note: &Note) -> Result<(), Error> {
        let failed = "note in the private directory what is meant";
        let _ = rustix::fs::unlinkat(&self.dir, NOTE, AtFlags::empty());
        let mut file = self.create(NOTE, failed)?;
        let ((device, inode), (seconds, nanoseconds)) = (note.identity, note.mtime);
        let text = format!("{device} {inode} {} {seconds} {nanoseconds}", note.size);
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(Error::io(failed))?;
        rustix::fs::fsync(&self.dir).map_err(Error::io(failed))
    }

    pub fn note(&self) -> Option<Note> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.dir, NOTE, flags, Mode::empty()).ok()?);
        let mut text = String::new();
        file.take(200).read_to_string(&mut text).ok()?;
        let mut words = text.split(' ');
        let mut next = || words.next();
        let identity = (next()?.parse().ok()?, next()?.parse().ok()?);
        let size = next()?.parse().ok()?;
        let mtime = (next()?.parse().ok()?, next()?.parse().ok()?);
        Some(Note { identity, size, mtime })
    }

    fn create(&self, name: &CStr, what: &'static str) -> Result<File, Error> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = rustix::fs::openat(&self.dir, name, flags, Mode::RUSR | Mode::WUSR);
        made.map(File::from).map_err(Error::io(what))
    }

    /// A new file in it, in the place of one that an earlier run left.
    pub fn fresh(&self) -> Result<File, Error> {
        let _ = rustix::fs::unlinkat(&self.dir, FILE, AtFlags::empty());
        self.create(FILE, "write the file beside its place")
    }

    /// Moves the name into it.
    pub fn take(&self) -> Result<(), Error> {
        let moved = rename(&self.place.dir, self.place.name.as_os_str(), &self.dir, FILE);
        moved.map_err(|errno| match errno {
            Errno::NOENT => file::Error::NotFound.into(),
            Errno::ROFS => Error::ReadOnly,
            Errno::BUSY | Errno::XDEV => Error::MountPoint,
            Errno::PERM => Error::Immutable("it, or its directory,"),
            errno => Error::io("move its name away")(errno),
        })
    }

    /// Whether what lies here is what was meant: the same inode, with the size and the time of change that it had.
    pub fn holds(&self, note: &Note, hashes: Option<Hashes>) -> Result<bool, Error> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = match rustix::fs::openat(&self.dir, FILE, flags, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(Error::io("look at what was moved")(errno)),
        };
        let stat = file::stat(&handle).map_err(Error::io("look at what was moved"))?;
        if (stat.size, stat.mtime) != (note.size, note.mtime) {
            return Ok(false);
        }
        if identity(&handle)? == note.identity {
            return Ok(true);
        }
        let system = rustix::fs::fstatfs(&handle).map_err(Error::io("look at its file system"))?;
        match hashes {
            Some(hashes) if system.f_type as u64 & 0xffff_ffff == OVERLAY => {
                let (file, _) = file::open_handle(&handle)?;
                Ok(sha256(&file)? == hashes.sha256)
            }
            _ => Ok(false),
        }
    }

    pub fn has_file(&self) -> bool {
        rustix::fs::statat(&self.dir, FILE, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Moves what lies here back to its name, over nothing.
    pub fn put_back(&self) -> Result<(), Error> {
        self.place(false).map_err(|error| match error {
            Error::Exists { path } => {
                let parent = path.parent().map(std::path::Path::to_owned).unwrap_or_default();
                Error::Stranded { path: parent.join(&self.name).join("file") }
            }
            error => error,
        })?;
        self.remove();
        Ok(())
    }

    /// Gives what lies here the name, over nothing unless told so.
    pub fn place(&self, overwrite: bool) -> Result<(), Error> {
        let name = self.place.name.as_os_str();
        let moved = if overwrite {
            rustix::fs::renameat(&self.dir, FILE, &self.place.dir, name)
        } else {
            rename(&self.dir, FILE, &self.place.dir, name)
        };
        moved.map_err(|errno| match errno {
            Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY => Error::Exists { path: self.place.path.clone() },
            Errno::ROFS => Error::ReadOnly,
            Errno::PERM => Error::Immutable("its directory, or what lies in its place,"),
            errno => Error::io("give it its name")(errno),
        })
    }

    /// Takes its last name here away.
    pub fn unlink(&self) -> Result<(), Error> {
        match rustix::fs::unlinkat(&self.dir, FILE, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::io("take its name away")(errno)),
        }
    }

    /// Removes the directory, where nothing but the note is in it.
    pub fn remove(&self) {
        let _ = rustix::fs::unlinkat(&self.dir, NOTE, AtFlags::empty());
        let _ = rustix::fs::unlinkat(&self.place.dir, &self.name, AtFlags::REMOVEDIR);
    }
}

/// Over nothing. File systems that cannot rename so make a second name and take the first away: also over nothing.
fn rename(
    from: impl AsFd,
    old: impl rustix::path::Arg + Copy,
    to: impl AsFd,
    new: impl rustix::path::Arg + Copy,
) -> Result<(), Errno> {
    match rustix::fs::renameat_with(&from, old, &to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::linkat(&from, old, &to, new, AtFlags::empty())?;
            rustix::fs::unlinkat(&from, old, AtFlags::empty())
        }
        done => done,
    }
}

fn sha256(file: &File) -> Result<[u8; 32], Error> {
    use sha2::{Digest, Sha256};
    let (mut hash, mut buffer, mut at) = (Sha256::new(), vec![0u8; 128 << 10], 0);
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(n) => {
                hash.update(&buffer[..n]);
                at += n as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(file::Error::Read { at, source }.into()),
        }
    }
}
