//! Facts of whatever lies at a path, without opening it.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, StatxFlags, StatxTimestamp};

use crate::file::Kind;

/// Extended attributes named at most.
const ATTRIBUTES: usize = 16;

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// `None` for a regular file.
    pub kind: Option<Kind>,
    /// Bytes.
    pub size: u64,
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Names it has.
    pub links: u64,
    /// Its times.
    pub times: Times,
    /// Where a symbolic link points, as it stands in it.
    pub target: Option<PathBuf>,
    /// Names of extended attributes, at most sixteen.
    pub attributes: Vec<String>,
}

/// Times, nanoseconds since 1970; 0 where not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Last change of content.
    pub modified: i64,
    /// Last access.
    pub accessed: i64,
    /// Last change of content or attributes.
    pub changed: i64,
    /// When it was made.
    pub born: i64,
}

/// Looks at a path; a symbolic link is looked at itself.
pub fn look(path: &Path) -> io::Result<Look> {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let found = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, wanted)?;
    let kind = match FileType::from_raw_mode(u32::from(found.stx_mode)) {
        FileType::RegularFile => None,
        FileType::Directory => Some(Kind::Directory),
        FileType::Symlink => Some(Kind::Symlink),
        FileType::Fifo => Some(Kind::Fifo),
        FileType::Socket => Some(Kind::Socket),
        FileType::CharacterDevice | FileType::BlockDevice => Some(Kind::Device),
        FileType::Unknown => Some(Kind::Other),
    };
    let target = (kind == Some(Kind::Symlink))
        .then(|| rustix::fs::readlink(path, Vec::new()).ok())
        .flatten()
        .map(|target| PathBuf::from(OsString::from_vec(target.into_bytes())));
    Ok(Look {
        kind,
        size: found.stx_size,
        mode: u32::from(found.stx_mode),
        uid: found.stx_uid,
        gid: found.stx_gid,
        device: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
        inode: found.stx_ino,
        links: u64::from(found.stx_nlink),
        times: Times {
            modified: nanoseconds(found.stx_mtime),
            accessed: nanoseconds(found.stx_atime),
            changed: nanoseconds(found.stx_ctime),
            born: if found.stx_mask & StatxFlags::BTIME.bits() == 0 {
                0
            } else {
                nanoseconds(found.stx_btime)
            },
        },
        target,
        attributes: attributes(path),
    })
}

fn nanoseconds(time: StatxTimestamp) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(i64::from(time.tv_nsec))
}

fn attributes(path: &Path) -> Vec<String> {
    // The kernel's own bound on the list (XATTR_LIST_MAX, linux/limits.h).
    let mut names = vec![0u8; 64 << 10];
    let Ok(length) = rustix::fs::llistxattr(path, &mut names) else { return Vec::new() };
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.take(ATTRIBUTES).map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}
