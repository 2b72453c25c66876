//! Reading `/proc`, bounded, and one process at a time through its directory's descriptor, so that all
//! that is read belongs to one process even when its pid is handed out again meanwhile.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::{Error, Executable, Identity, State};

/// The most that is kept of a command line. The kernel allows a quarter of the stack, some megabytes.
const CMDLINE_CAP: usize = 32 * 1024;
const STATUS_CAP: usize = 8 * 1024;
const STAT_CAP: usize = 2 * 1024;
/// `PF_KTHREAD` of the kernel's include/linux/sched.h, in the flags field of `stat`.
const KERNEL_THREAD: u64 = 0x0020_0000;
/// What the kernel appends to the name of a file that has been unlinked.
const DELETED: &[u8] = b" (deleted)";

/// The few fields of `stat` that decide who a process is and where it belongs.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub pid: u32,
    pub name: OsString,
    pub state: State,
    pub ppid: u32,
    pub group: u32,
    pub session: u32,
    pub threads: u64,
    pub start_time: u64,
    pub kernel: bool,
}

impl Row {
    pub const fn identity(&self) -> Identity {
        Identity { pid: self.pid, start_time: self.start_time }
    }

    /// Ended, to the last thread. The leader of a thread group may be a zombie while others run on.
    pub fn is_dead(&self) -> bool {
        self.state == State::Zombie && self.threads <= 1
    }
}

/// One process's directory.
pub(crate) struct Proc {
    dir: OwnedFd,
    pid: u32,
}

impl AsFd for Proc {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Proc {
    /// `None` when there is no such process.
    pub fn open(pid: u32) -> Result<Option<Self>, Error> {
        let path = format!("/proc/{pid}");
        match rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        {
            Ok(dir) => Ok(Some(Self { dir, pid })),
            Err(errno) if is_gone(errno) => Ok(None),
            Err(errno) => Err(denied(pid, "open the directory", errno)),
        }
    }

    /// `None` when the process has been collected meanwhile.
    pub fn row(&self) -> Result<Option<Row>, Error> {
        let mut buffer = [0u8; STAT_CAP];
        match self.read("stat", &mut buffer) {
            Ok(len) => parse(self.pid, &buffer[..len]).map(Some).ok_or_else(|| Error::Unreadable {
                what: "the status line of a process",
                source: io::ErrorKind::InvalidData.into(),
            }),
            Err(errno) if is_gone(errno) => Ok(None),
            Err(errno) => Err(denied(self.pid, "read the status", errno)),
        }
    }

    /// Arguments. Waits for the lock of the process's memory, which it may hold for ever: for who waits for that lock anyway,
    /// and is a process of its own that can be ended. Everybody else asks [`super::Commands`].
    pub fn cmdline(&self) -> Vec<OsString> {
        let mut buffer = vec![0u8; CMDLINE_CAP];
        let len = self.read("cmdline", &mut buffer).unwrap_or(0);
        let text = buffer[..len].strip_suffix(b"\0").unwrap_or(&buffer[..len]);
        if text.is_empty() {
            return Vec::new();
        }
        text.split(|byte| *byte == 0).map(|arg| OsString::from_vec(arg.to_vec())).collect()
    }

    /// Effective user id.
    pub fn uid(&self) -> Option<u32> {
        let mut buffer = [0u8; STATUS_CAP];
        let len = self.read("status", &mut buffer).ok()?;
        // The name comes first in this file, and the kernel escapes line feeds in it.
        let line = buffer[..len].split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
        std::str::from_utf8(line).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
    }

    /// The executable's path, and whether it is still there.
    pub fn exe(&self) -> Option<Executable> {
        let link = self.link("exe").ok()?;
        let Some(stripped) = link.strip_suffix(DELETED) else {
            return Some(Executable { path: path(&link), deleted: false });
        };
        // A file may truly be called so: then it is there under the whole name, and is the same file.
        // Neither file system is asked: the process may have chosen one that never answers.
        let facts = |handle: OwnedFd| {
            let facts = crate::guard::facts(handle.as_fd()).ok()?;
            Some((facts.stx_dev_major, facts.stx_dev_minor, facts.stx_ino))
        };
        let running = self.open_at("exe", OFlags::PATH).ok().and_then(facts);
        let named = crate::guard::find_local(Path::new(OsStr::from_bytes(&link))).ok().and_then(facts);
        match (running, named) {
            (Some(running), Some(named)) if running == named => {
                Some(Executable { path: path(&link), deleted: false })
            }
            _ => Some(Executable { path: path(stripped), deleted: true }),
        }
    }

    /// The target of one of the directory's magic links, as the kernel renders it.
    pub fn link(&self, name: &str) -> Result<Vec<u8>, Errno> {
        rustix::fs::readlinkat(&self.dir, name, Vec::with_capacity(4096)).map(std::ffi::CString::into_bytes)
    }

    /// Opens something below the directory, following the magic link where it is one.
    pub fn open_at(&self, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.dir, name, flags | OFlags::CLOEXEC, Mode::empty())
    }

    /// The beginning of one of the directory's files; those of its memory may keep the reader waiting.
    pub fn read(&self, name: &str, buffer: &mut [u8]) -> Result<usize, Errno> {
        let file = self.open_at(name, OFlags::RDONLY | OFlags::NOFOLLOW)?;
        fill(file.as_fd(), buffer)
    }
}

/// Until the end, or as much as there is room for.
pub(super) fn fill(file: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut filled = 0;
    while filled < buffer.len() {
        match rustix::io::read(file, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(filled)
}

/// The pids in `/proc`, as they stand in the directory.
pub(super) fn pids() -> Result<impl Iterator<Item = Result<u32, Error>>, Error> {
    let unreadable = |source| Error::Unreadable { what: "the list of processes", source };
    let entries = std::fs::read_dir("/proc").map_err(unreadable)?;
    Ok(entries.filter_map(move |entry| match entry {
        Ok(entry) => entry.file_name().to_str()?.parse().ok().map(Ok),
        Err(source) => Some(Err(unreadable(source))),
    }))
}

/// Every process's row. Cheap enough to be taken many times a second.
pub(crate) fn rows() -> Result<Vec<Row>, Error> {
    let mut all = Vec::with_capacity(256);
    let mut buffer = [0u8; STAT_CAP];
    for pid in pids()? {
        let pid = pid?;
        // One open instead of two: a row is read whole or not at all, so no directory need be held.
        let file = match rustix::fs::open(
            format!("/proc/{pid}/stat"),
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW,
            Mode::empty(),
        ) {
            Ok(file) => file,
            Err(errno) if is_gone(errno) => continue,
            Err(errno) => return Err(denied(pid, "read the status", errno)),
        };
        if let Ok(len) = rustix::io::read(&file, &mut buffer)
            && let Some(row) = parse(pid, &buffer[..len])
        {
            all.push(row);
        }
    }
    Ok(all)
}

/// The name stands in brackets and may itself hold brackets, blanks and line feeds; nothing after it can.
fn parse(pid: u32, line: &[u8]) -> Option<Row> {
    let open = line.iter().position(|byte| *byte == b'(')?;
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let name = line.get(open + 1..close)?;
    let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().take(20).collect();
    // Field 3 of proc_pid_stat(5) is the first behind the name.
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    Some(Row {
        pid,
        name: OsString::from_vec(name.to_vec()),
        state: State::of(*fields.first()?.as_bytes().first()?),
        ppid: u32::try_from(number(4)?).unwrap_or(0),
        group: u32::try_from(number(5)?).unwrap_or(0),
        session: u32::try_from(number(6)?).unwrap_or(0),
        kernel: fields.get(6)?.parse::<u64>().ok()? & KERNEL_THREAD != 0,
        threads: u64::try_from(number(20)?).ok()?,
        start_time: fields.get(19)?.parse().ok()?,
    })
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

pub(super) fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::SRCH)
}

pub(super) fn denied(pid: u32, what: &'static str, errno: Errno) -> Error {
    Error::Denied { pid, what, source: errno.into() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_hostile_name_does_not_shift_the_fields() {
        let line = b"42 (a) R 1 (\n) S) S 7 42 41 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 3 0 99123 1 2\n";
        let row = parse(42, line).unwrap();
        assert_eq!(row.name.as_bytes(), b"a) R 1 (\n) S");
        assert_eq!((row.ppid, row.group, row.session, row.threads), (7, 42, 41, 3));
        assert_eq!(row.start_time, 99123);
        assert_eq!(row.state, State::Sleeping);
        assert!(!row.kernel);
    }

    #[test]
    fn a_short_or_empty_line_is_refused() {
        for line in [&b""[..], b"1 (x", b"1 (x) S 1 2", b")(", b"1 )x( S 1 2 3 4 5 6 7 8"] {
            assert!(parse(1, line).is_none());
        }
    }
}
