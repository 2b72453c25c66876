//! Opening for collection. First only a handle is taken (`O_PATH`, which opens nothing and so can neither
//! block on a pipe nor wake a device), then it is looked at, and only then is that same inode opened for
//! reading, through the handle. What the path leads to afterwards no longer matters.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{Error, Kind};
use crate::process::{Error as ProcessError, Identity, Proc};

/// `PATH_MAX` of the kernel, with the closing NUL.
const PATH_CAP: usize = 4096;
/// Links that are followed, as many as the kernel follows.
const LINKS: usize = 40;
/// File systems whose files are made up at the moment of reading: names and values of linux/magic.h.
const PSEUDO: [u64; 16] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0xcafe_4a11, // bpf
    0x6165_676c, // pstore
    0x6265_6570, // configfs
    0xde5e_81e4, // efivarfs
    0x4249_4e4d, // binfmt_misc
    0xf97c_ff8c, // selinuxfs
    0x6e73_6673, // nsfs
    0x1cd1,      // devpts
    0x1980_0202, // mqueue
];

static KEPT_OUT: OnceLock<KeptOut> = OnceLock::new();

/// What is never opened for anybody who asks: a directory, all below it, and some files in it under whatever name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptOut {
    directory: PathBuf,
    secrets: Vec<PathBuf>,
}

/// Whether a file system of this type is made up by the kernel.
pub(crate) fn is_pseudo(kind: u64) -> bool {
    PSEUDO.contains(&kind)
}

/// What may be opened.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that a file may have.
    pub size: u64,
    /// Follow a symbolic link in the last part of the path. Links in earlier parts are always followed, for
    /// `/bin` is one on most systems; [`Opened::resolved`] says where they led. A link of a user other than root is followed
    /// to files of that same user alone.
    pub follow: bool,
    /// Also take files of procfs, sysfs and their like. They have no true size and are read to their end or
    /// to `size` bytes.
    pub pseudo: bool,
}

/// How the file was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// By path.
    Path(PathBuf),
    /// As what a process runs.
    Executable(Identity),
    /// As what a process holds open.
    Descriptor(Identity, u32),
}

/// Facts about the opened inode, taken from the open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Bytes; meaningless for a pseudo file.
    pub size: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Names it has; 0 for a deleted file.
    pub links: u64,
    /// Last access, seconds and nanoseconds of Unix time.
    pub atime: (i64, u32),
    /// Last change of content.
    pub mtime: (i64, u32),
    /// Last change of content or attributes.
    pub ctime: (i64, u32),
}

/// A regular file, open for reading from its start.
#[derive(Debug)]
pub struct Opened {
    pub(super) file: File,
    /// How it was named.
    pub origin: Origin,
    /// Where it lies, as the kernel has it, symbolic links resolved.
    pub resolved: PathBuf,
    /// No name is left for it.
    pub deleted: bool,
    /// Lies in a file system that the kernel makes up.
    pub pseudo: bool,
    /// Facts at the time of opening.
    pub stat: Stat,
    /// The size limit it was opened under.
    pub limit: u64,
}

impl AsFd for Opened {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Opens a file by its absolute path.
pub fn open_for_collect(path: &Path, limits: Limits) -> Result<Opened, Error> {
    check(path)?;
    let origin = Origin::Path(path.to_owned());
    if !limits.follow {
        return open(&handle(path, OFlags::NOFOLLOW)?, origin, limits);
    }
    let (handle, owners) = followed(path)?;
    let found = stat(&handle).map_err(Error::Open)?.uid;
    if let Some(owner) = owners.into_iter().find(|owner| *owner != found) {
        return Err(Error::ForeignLink { owner, found });
    }
    open(&handle, origin, limits)
}

/// Magic links (/proc/PID/fd/…) lead anywhere without being a path: a process is named by identity instead.
fn handle(path: &Path, how: OFlags) -> Result<OwnedFd, Error> {
    let flags = OFlags::PATH | OFlags::CLOEXEC | how;
    rustix::fs::openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS).map_err(refused)
}

/// Follows the links that stand in the last part of the path, one by one. Also tells who made them, but for root.
fn followed(path: &Path) -> Result<(OwnedFd, Vec<u32>), Error> {
    let (mut path, mut owners) = (path.to_owned(), Vec::new());
    for _ in 0..LINKS {
        let link = handle(&path, OFlags::NOFOLLOW)?;
        let facts = stat(&link).map_err(Error::Open)?;
        if FileType::from_raw_mode(facts.mode) != FileType::Symlink {
            return Ok((link, owners));
        }
        let system = rustix::fs::fstatfs(&link).map_err(|errno| Error::Open(errno.into()))?;
        if is_pseudo(system.f_type as u64 & 0xffff_ffff) {
            // The kernel's own links; what they say is not always where they lead.
            return Ok((handle(&path, OFlags::empty())?, owners));
        }
        if facts.uid != 0 {
            owners.push(facts.uid);
        }
        let target = rustix::fs::readlinkat(&link, "", Vec::new()).map_err(refused)?;
        path.pop();
        path.push(OsString::from_vec(target.into_bytes()));
    }
    Err(refused(Errno::LOOP))
}

/// What is never opened here: this directory, all below it, and these files in it under whatever name. Once for a program.
pub fn keep_out(directory: &Path, secrets: &[&str]) {
    let secrets = secrets.iter().map(|name| directory.join(name)).collect();
    KeptOut { directory: directory.to_owned(), secrets }.hold();
}

impl KeptOut {
    /// What this program was told to keep out; for a worker, which is another program.
    pub fn here() -> Option<Self> {
        KEPT_OUT.get().cloned()
    }

    /// Keeps it out of this program too. Once; what was told first holds.
    pub fn hold(self) {
        let _ = KEPT_OUT.set(self);
    }
}

/// Whether an open file, or directory, is one of those of [`keep_out`]. One that cannot be looked at counts as one.
pub fn is_kept(file: impl AsFd) -> bool {
    if KEPT_OUT.get().is_none() {
        return false;
    }
    let link = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    match (stat(&file), rustix::fs::readlink(link, Vec::with_capacity(PATH_CAP))) {
        (Ok(stat), Ok(resolved)) => is_kept_out(Path::new(&OsString::from_vec(resolved.into_bytes())), &stat),
        _ => true,
    }
}

/// By where the kernel says that it lies; a secret is also known when it has another name or is mounted elsewhere.
fn is_kept_out(resolved: &Path, stat: &Stat) -> bool {
    KEPT_OUT.get().is_some_and(|KeptOut { directory, secrets }| {
        resolved.starts_with(directory)
            || secrets.iter().any(|path| {
                rustix::fs::lstat(path).is_ok_and(|is| (is.st_dev, is.st_ino) == (stat.device, stat.inode))
            })
    })
}

/// Opens what a process runs, also when the file has been deleted or replaced.
pub fn open_executable(process: Identity, limits: Limits) -> Result<Opened, Error> {
    open_held(process, "exe", Origin::Executable(process), limits)
}

/// Opens what a process holds open under a descriptor number, also when it has been deleted. The file is
/// opened anew: the process's own position in it does not move.
pub fn open_descriptor(process: Identity, descriptor: u32, limits: Limits) -> Result<Opened, Error> {
    open_held(process, &format!("fd/{descriptor}"), Origin::Descriptor(process, descriptor), limits)
}

fn open_held(process: Identity, name: &str, origin: Origin, limits: Limits) -> Result<Opened, Error> {
    let Identity { pid, start_time: expected } = process;
    let proc = Proc::open(pid)?.ok_or(ProcessError::NoSuchProcess { pid })?;
    // Through this directory only this one process is seen, so one look at its start time is enough.
    let row = proc.row()?.ok_or(ProcessError::NoSuchProcess { pid })?;
    if row.start_time != expected {
        return Err(ProcessError::Reused { pid, expected, found: row.start_time }.into());
    }
    let handle = proc.open_at(name, OFlags::PATH).map_err(|errno| match errno {
        Errno::NOENT | Errno::SRCH => Error::NotHeld,
        errno => Error::Open(errno.into()),
    })?;
    open(&handle, origin, limits)
}

pub(crate) fn check(path: &Path) -> Result<(), Error> {
    let bytes = path.as_os_str().as_bytes();
    let refusal = if bytes.is_empty() {
        "it is empty"
    } else if bytes.contains(&0) {
        "it holds a NUL byte"
    } else if bytes.len() >= PATH_CAP {
        "it is longer than 4095 bytes"
    } else if !path.is_absolute() {
        "it is not absolute"
    } else if path.components().any(|part| part == Component::ParentDir) {
        "it holds `..`"
    } else {
        return Ok(());
    };
    Err(Error::Path(refusal))
}

fn refused(errno: Errno) -> Error {
    match errno {
        Errno::NOENT | Errno::NOTDIR => Error::NotFound,
        Errno::NAMETOOLONG => Error::Path("a part of it is longer than the file system allows"),
        Errno::LOOP => Error::Path("its symbolic links lead in a circle, or into another process"),
        errno => Error::Open(errno.into()),
    }
}

fn open(handle: &OwnedFd, origin: Origin, limits: Limits) -> Result<Opened, Error> {
    let stat = stat(handle).map_err(Error::Open)?;
    regular(handle, stat.mode)?;
    let system = rustix::fs::fstatfs(handle).map_err(|errno| Error::Open(errno.into()))?;
    // The kernel's type is a long of 32 or 64 bits, and the values have 32.
    let pseudo = PSEUDO.contains(&(system.f_type as u64 & 0xffff_ffff));
    if pseudo && !limits.pseudo {
        return Err(Error::Pseudo);
    }
    if !pseudo && stat.size > limits.size {
        return Err(Error::TooLarge { size: stat.size, limit: limits.size });
    }
    let link = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let deleted = stat.links == 0;
    let resolved = rustix::fs::readlink(&link, Vec::with_capacity(PATH_CAP))
        .map(CString::into_bytes)
        .unwrap_or_default();
    let resolved =
        if deleted { resolved.strip_suffix(b" (deleted)").unwrap_or(&resolved) } else { &resolved };
    let resolved = PathBuf::from(OsString::from_vec(resolved.to_vec()));
    if is_kept_out(&resolved, &stat) {
        return Err(Error::Own);
    }
    let file = reopen(&link).map_err(|errno| Error::Open(errno.into()))?;
    Ok(Opened { file, origin, resolved, deleted, pseudo, stat, limit: limits.size })
}

/// The regular, stored file behind a handle, for reading.
pub(crate) fn open_handle(handle: &OwnedFd) -> Result<(File, Stat), Error> {
    let before = stat(handle).map_err(Error::Open)?;
    regular(handle, before.mode)?;
    let system = rustix::fs::fstatfs(handle).map_err(|errno| Error::Open(errno.into()))?;
    if PSEUDO.contains(&(system.f_type as u64 & 0xffff_ffff)) {
        return Err(Error::Pseudo);
    }
    let link = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let file = reopen(&link).map_err(|errno| Error::Open(errno.into()))?;
    Ok((file, before))
}

/// Leaves the access time alone where it may: it is evidence.
fn reopen(link: &str) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    match rustix::fs::open(link, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => rustix::fs::open(link, flags, Mode::empty()),
        other => other,
    }
    .map(File::from)
}

fn regular(handle: &OwnedFd, mode: u32) -> Result<(), Error> {
    Err(Error::NotRegular(match FileType::from_raw_mode(mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Symlink => {
            let target =
                rustix::fs::readlinkat(handle, "", Vec::new()).map(CString::into_bytes).unwrap_or_default();
            return Err(Error::Symlink { target: OsString::from_vec(target).into() });
        }
        FileType::Directory => Kind::Directory,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice | FileType::BlockDevice => Kind::Device,
        FileType::Unknown => Kind::Other,
    }))
}

#[expect(clippy::useless_conversion, reason = "the widths differ between architectures")]
pub(crate) fn stat(fd: impl std::os::fd::AsFd) -> io::Result<Stat> {
    let stat = rustix::fs::fstat(fd)?;
    Ok(Stat {
        device: u64::from(stat.st_dev),
        inode: u64::from(stat.st_ino),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        links: u64::from(stat.st_nlink),
        atime: (stat.st_atime as i64, stat.st_atime_nsec as u32),
        mtime: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
        ctime: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
    })
}
