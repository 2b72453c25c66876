//! Everything about a file beside its content: owner, mode, times, extended attributes (access lists, capabilities and
//! security labels are such), and the flags of chattr(1).

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{Gid, Uid};
use rustix::fs::{Mode, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::file::Stat;

/// Bytes of a list of names, and of one value: the kernel's own bounds (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const XATTR: usize = 64 << 10;
/// Attributes of one file.
const MOST: usize = 1024;
/// Flags that chattr(1) can set and that mean the same on a new file; the others say how the file system stores it.
/// `FS_SECRM_FL`, `FS_UNRM_FL`, `FS_SYNC_FL`, `FS_IMMUTABLE_FL`, `FS_APPEND_FL`, `FS_NODUMP_FL`, `FS_NOATIME_FL` of
/// linux/fs.h.
const KEPT: u32 = 0x01 | 0x02 | 0x08 | 0x10 | 0x20 | 0x40 | 0x80;
/// Flags in whose way nothing can be moved: immutable and append-only.
pub(super) const LOCKED: u32 = 0x10 | 0x20;
/// `FS_IOC_GETFLAGS` and `FS_IOC_SETFLAGS` of linux/fs.h; a `long` by name, an `int` by what is read and written.
const GET: libc::Ioctl = 0x8008_6601_u32 as libc::Ioctl;
const SET: libc::Ioctl = 0x4008_6602;

/// One extended attribute, bytes as they are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Attribute {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
}

/// A file's facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub atime: (i64, u32),
    pub mtime: (i64, u32),
    pub attributes: Vec<Attribute>,
    pub flags: u32,
}

impl Facts {
    pub fn of(file: &File, stat: &Stat) -> Result<Self, Error> {
        Ok(Self {
            mode: stat.mode & 0o7777,
            uid: stat.uid,
            gid: stat.gid,
            atime: stat.atime,
            mtime: stat.mtime,
            attributes: attributes(file).map_err(Error::io("read its extended attributes"))?,
            flags: flags(file),
        })
    }

    pub fn locked(&self) -> bool {
        self.flags & LOCKED != 0
    }

    /// Sets all but the flags: what is immutable could not be moved any more. Says what could not be set.
    pub fn give(&self, file: &File) -> Result<Vec<String>, Error> {
        let mut not_set = Vec::new();
        let (owner, group) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        rustix::fs::fchown(file, Some(owner), Some(group)).map_err(Error::io("give it its owner"))?;
        // What a directory's default access list put on the new file.
        let inherited = attributes(file).map_err(Error::io("read its extended attributes"))?;
        for extra in inherited.iter().filter(|has| !self.attributes.iter().any(|want| want.name == has.name))
        {
            if let Ok(name) = CString::new(extra.name.clone()) {
                let _ = rustix::fs::fremovexattr(file, name);
            }
        }
        for wanted in &self.attributes {
            let Ok(name) = CString::new(wanted.name.clone()) else { continue };
            if let Err(errno) = rustix::fs::fsetxattr(file, name, &wanted.value, XattrFlags::empty()) {
                let name = String::from_utf8_lossy(&wanted.name);
                not_set.push(format!("the extended attribute {name} ({errno})"));
            }
        }
        // After owner and access list: both change the mode.
        rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode)).map_err(Error::io("give it its mode"))?;
        self.give_times(file)?;
        Ok(not_set)
    }

    pub fn give_times(&self, file: &File) -> Result<(), Error> {
        let time =
            |(seconds, nanoseconds): (i64, u32)| Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
        let times = Timestamps { last_access: time(self.atime), last_modification: time(self.mtime) };
        rustix::fs::futimens(file, &times).map_err(Error::io("give it its times"))
    }

    /// Sets the flags, the last of all.
    pub fn give_flags(&self, file: &File) -> io::Result<()> {
        let (wanted, has) = (self.flags & KEPT, flags(file));
        if has & KEPT == wanted {
            return Ok(());
        }
        set_flags(file, (has & !KEPT) | wanted)
    }

    /// How another file's facts differ from these, one sentence's part each.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, same: bool| {
            if !same {
                found.push(what.to_owned());
            }
        };
        compare("the mode", self.mode == other.mode);
        compare("the owner", self.uid == other.uid);
        compare("the group", self.gid == other.gid);
        compare("the time of last access", self.atime == other.atime);
        compare("the time of last change", self.mtime == other.mtime);
        compare("the extended attributes", self.attributes == other.attributes);
        compare("the flags", self.flags & KEPT == other.flags & KEPT);
        found
    }
}

/// Takes immutable and append-only away.
pub(super) fn lift(file: &File) -> Result<(), Error> {
    set_flags(file, flags(file) & !LOCKED).map_err(Error::io("lift its attribute immutable"))
}

/// Puts immutable and append-only back, as far as they were there.
pub(super) fn lock(file: &File, before: u32) -> io::Result<()> {
    set_flags(file, flags(file) | before & LOCKED)
}

/// None on file systems without such flags.
pub(super) fn flags(file: impl AsFd) -> u32 {
    let mut flags: u32 = 0;
    // SAFETY: `flags` lives through the call, which writes four bytes of it.
    let done = unsafe { libc::ioctl(file.as_fd().as_raw_fd(), GET, &raw mut flags) };
    if done < 0 { 0 } else { flags }
}

fn set_flags(file: impl AsFd, flags: u32) -> io::Result<()> {
    // SAFETY: `flags` lives through the call, which reads four bytes of it.
    let done = unsafe { libc::ioctl(file.as_fd().as_raw_fd(), SET, &raw const flags) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// In the order of their names.
fn attributes(file: &File) -> io::Result<Vec<Attribute>> {
    let mut names = vec![MaybeUninit::<u8>::uninit(); XATTR];
    let names = match rustix::fs::flistxattr(file, &mut *names) {
        Ok((names, _)) => names.to_vec(),
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(errno) => return Err(errno.into()),
    };
    let mut all = Vec::new();
    let mut value = vec![MaybeUninit::<u8>::uninit(); XATTR];
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()).take(MOST) {
        let Ok(text) = CString::new(name) else { continue };
        match rustix::fs::fgetxattr(file, text, &mut *value) {
            Ok((value, _)) => all.push(Attribute { name: name.to_vec(), value: value.to_vec() }),
            // Gone meanwhile, or one that only shows itself.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    all.sort_unstable();
    Ok(all)
}
