//! The kernel's side of files: one fanotify group that is told of names and directories, and asks nobody's leave.

use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;

/// Layout of what is read (fanotify(7)).
const HEAD: usize = 24;
const VERSION: u8 = 3;
const DIRECTORY_AND_NAME: u8 = 2;
const OLD_NAME: u8 = 10;
const NEW_NAME: u8 = 12;
/// Bytes of one reading; some hundred events.
const BUFFER: usize = 64 << 10;
/// Bytes of a handle (`MAX_HANDLE_SZ`).
const HANDLE: usize = 128;

/// An open group.
#[derive(Debug)]
pub(super) struct Group {
    fd: OwnedFd,
    /// What is listened for.
    mask: u64,
    buffer: Vec<u8>,
}

/// A directory as the kernel names it, and what is called so in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Named {
    pub directory: Directory,
    pub name: OsString,
}

/// A directory: its file system, and its handle there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Directory {
    pub system: u64,
    kind: i32,
    handle: Vec<u8>,
}

/// What the kernel told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Something happened to a name.
    Event {
        /// `FAN_…`, several where they were joined.
        mask: u64,
        /// 0: a process outside of the PID namespace.
        pid: u32,
        /// The name that it has.
        name: Named,
        /// The name that it had.
        old: Option<Named>,
    },
    /// The queue was full.
    Overflow,
}

impl Group {
    /// A group with the kernel's own bound on its queue. An error says what is missing.
    pub fn open() -> Result<Self, String> {
        let flags = libc::FAN_CLASS_NOTIF
            | libc::FAN_CLOEXEC
            | libc::FAN_NONBLOCK
            | libc::FAN_UNLIMITED_MARKS
            | libc::FAN_REPORT_DFID_NAME;
        // SAFETY: two numbers; no memory is involved.
        let fd = unsafe { libc::fanotify_init(flags, (libc::O_RDONLY | libc::O_CLOEXEC) as u32) };
        if fd < 0 {
            let error = io::Error::last_os_error();
            let why = match error.raw_os_error() {
                Some(libc::EPERM) => "only root of the whole machine (CAP_SYS_ADMIN) hears of files",
                Some(libc::EINVAL | libc::ENOSYS) => {
                    "the kernel tells no names of files; that began with 5.9"
                }
                _ => "the kernel tells nothing of files",
            };
            return Err(format!("{why}: {error}"));
        }
        // SAFETY: the descriptor was just made and is nobody else's.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mask = libc::FAN_CREATE | libc::FAN_CLOSE_WRITE | libc::FAN_RENAME;
        Ok(Self { fd, mask, buffer: vec![0; BUFFER] })
    }

    /// Listens to a whole file system, through anything that lies on it.
    pub fn watch(&mut self, place: BorrowedFd<'_>) -> io::Result<()> {
        match self.mark(place, self.mask) {
            // FAN_RENAME began with 5.17; before, both ends of a move are told apart.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && self.mask & libc::FAN_RENAME != 0 => {
                let older =
                    libc::FAN_CREATE | libc::FAN_CLOSE_WRITE | libc::FAN_MOVED_FROM | libc::FAN_MOVED_TO;
                self.mark(place, older)?;
                self.mask = older;
                Ok(())
            }
            done => done,
        }
    }

    fn mark(&self, place: BorrowedFd<'_>, mask: u64) -> io::Result<()> {
        let path = CString::new(format!("/proc/self/fd/{}", place.as_raw_fd()))?;
        let flags = libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM;
        // SAFETY: the path is a string with its NUL, and lives beyond the call.
        let done =
            unsafe { libc::fanotify_mark(self.fd.as_raw_fd(), flags, mask, libc::AT_FDCWD, path.as_ptr()) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// One reading; false where nothing waits.
    pub fn read(&mut self, mut tell: impl FnMut(Told)) -> io::Result<bool> {
        let length = match rustix::io::read(&self.fd, &mut self.buffer) {
            Ok(length) => length,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let mut rest = &self.buffer[..length];
        while let Some((told, left)) = event(rest) {
            told.map(&mut tell);
            rest = left;
        }
        Ok(length > 0)
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Directory {
    /// Opens it, by anything open on its file system. Its name is not needed, nor what lies above it.
    pub fn open(&self, on: BorrowedFd<'_>) -> io::Result<OwnedFd> {
        /// `struct file_handle` (open_by_handle_at(2)).
        #[repr(C)]
        struct Handle {
            size: u32,
            kind: i32,
            bytes: [u8; HANDLE],
        }
        let mut handle = Handle { size: self.handle.len() as u32, kind: self.kind, bytes: [0; HANDLE] };
        handle
            .bytes
            .get_mut(..self.handle.len())
            .ok_or(io::ErrorKind::InvalidData)?
            .copy_from_slice(&self.handle);
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
        // SAFETY: the structure has the layout of `struct file_handle`, and room for as many bytes as it says.
        let fd = unsafe { libc::open_by_handle_at(on.as_raw_fd(), (&raw mut handle).cast(), flags) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and is nobody else's.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The first event, if it is one of use, and what lies behind it. `None` at the end.
fn event(bytes: &[u8]) -> Option<(Option<Told>, &[u8])> {
    let length = u32::from_ne_bytes(number(bytes, 0)?) as usize;
    let head = usize::from(u16::from_ne_bytes(number(bytes, 6)?));
    let (whole, rest) = bytes.split_at_checked(length)?;
    if length < HEAD || bytes.get(4) != Some(&VERSION) {
        return None;
    }
    let mask = u64::from_ne_bytes(number(whole, 8)?);
    if mask & libc::FAN_Q_OVERFLOW != 0 {
        return Some((Some(Told::Overflow), rest));
    }
    let pid = u32::try_from(i32::from_ne_bytes(number(whole, 20)?)).unwrap_or(0);
    let (mut name, mut old) = (None, None);
    let mut records = whole.get(head..)?;
    while let Some(size) = number(records, 2).map(u16::from_ne_bytes) {
        let Some((record, left)) = records.split_at_checked(usize::from(size).max(4)) else { break };
        match record.first() {
            Some(&(DIRECTORY_AND_NAME | NEW_NAME)) => name = named(record),
            Some(&OLD_NAME) => old = named(record),
            _ => {}
        }
        records = left;
    }
    Some((name.map(|name| Told::Event { mask, pid, name, old }), rest))
}

fn named(record: &[u8]) -> Option<Named> {
    let system = u64::from_ne_bytes(number(record, 4)?);
    let length = u32::from_ne_bytes(number(record, 12)?) as usize;
    let kind = i32::from_ne_bytes(number(record, 16)?);
    let handle = record.get(20..20_usize.checked_add(length)?)?.to_vec();
    let name = CStr::from_bytes_until_nul(record.get(20 + length..)?).ok()?;
    // Of the directory itself.
    if handle.len() > HANDLE || matches!(name.to_bytes(), b"" | b"." | b"..") {
        return None;
    }
    Some(Named {
        directory: Directory { system, kind, handle },
        name: OsString::from_vec(name.to_bytes().to_vec()),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn bytes() -> Vec<u8> {
        let mut record = vec![DIRECTORY_AND_NAME, 0, 36, 0];
        record.extend(7_u64.to_ne_bytes());
        record.extend(8_u32.to_ne_bytes());
        record.extend(1_i32.to_ne_bytes());
        record.extend([9; 8]);
        record.extend(b"name\0\0\0\0");
        let mut event = Vec::new();
        event.extend((HEAD as u32 + 36).to_ne_bytes());
        event.extend([VERSION, 0, HEAD as u8, 0]);
        event.extend(libc::FAN_CREATE.to_ne_bytes());
        event.extend((-1_i32).to_ne_bytes());
        event.extend(42_i32.to_ne_bytes());
        event.extend(record);
        event
    }

    #[test]
    fn an_event_is_read_as_the_kernel_writes_it() {
        let (told, rest) = event(&bytes()).map(|(told, rest)| (told.unwrap(), rest.len())).unwrap();
        let directory = Directory { system: 7, kind: 1, handle: vec![9; 8] };
        let name = Named { directory, name: "name".into() };
        assert_eq!(told, Told::Event { mask: libc::FAN_CREATE, pid: 42, name, old: None });
        assert_eq!(rest, 0);
    }

    #[test]
    fn damaged_events_end_the_walk() {
        let whole = bytes();
        for length in 0..whole.len() {
            let _ = event(&whole[..length]);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let _ = event(&damaged);
            }
        }
    }
}
