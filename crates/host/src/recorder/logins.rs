//! Who was let in and who was not, from the files that login programs write (utmp(5)): what is added to them while we listen.
//!
//! A file may be missing, grow, be cut off or be moved away for a new one; none of it keeps the other from being read.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::raw::Login;

/// Where the records of logins lie.
#[derive(Debug, Clone)]
pub struct LoginFiles {
    /// Of those who were let in.
    pub accepted: PathBuf,
    /// Of those who were not.
    pub refused: PathBuf,
}

impl Default for LoginFiles {
    fn default() -> Self {
        Self { accepted: "/var/log/wtmp".into(), refused: "/var/log/btmp".into() }
    }
}

/// Fields of a record of the system's C library, where the time is of four bytes on both word sizes and where it is not.
#[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
mod layout {
    pub const RECORD: usize = 384;
    pub const SECONDS: usize = 340;
    pub const WORD: usize = 4;
}
#[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
mod layout {
    pub const RECORD: usize = 400;
    pub const SECONDS: usize = 344;
    pub const WORD: usize = 8;
}
use layout::{RECORD, SECONDS, WORD};

/// `USER_PROCESS`: somebody is in.
const USER: u16 = 7;
/// Records of one reading of one file; a flood of them is read at several turns.
const MOST: usize = 512;
/// Between two turns where there is more, nanoseconds: the rest lies safe in its file, and whoever fills that must not drive out
/// what is told of everything else.
pub(super) const TURN: u64 = 10_000_000;

/// Listens for logins.
#[derive(Debug)]
pub(super) struct Logins {
    watch: OwnedFd,
    files: [Followed; 2],
    /// Where there is more: when it is read on, nanoseconds since boot.
    due: Option<u64>,
}

#[derive(Debug)]
struct Followed {
    path: PathBuf,
    accepted: bool,
    open: Option<(File, u64)>,
    at: u64,
}

impl Logins {
    /// Begins behind what is written already. The error says why nothing can be heard.
    pub fn open(files: LoginFiles) -> Result<Self, String> {
        let flags = CreateFlags::NONBLOCK | CreateFlags::CLOEXEC;
        let watch = inotify::init(flags).map_err(|error| format!("no news of files: {error}"))?;
        let followed = |path, accepted| Followed { path, accepted, open: None, at: 0 };
        let files = [followed(files.accepted, true), followed(files.refused, false)];
        let mut logins = Self { watch, files, due: None };
        let mut is_heard = false;
        for file in &mut logins.files {
            // New names alone: a directory of logs is written to all the time.
            let news = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
            let directory = file.path.parent().unwrap_or(Path::new("/"));
            is_heard |= inotify::add_watch(&logins.watch, directory, news).is_ok();
            let _ = file.reopen(&logins.watch);
            file.at =
                file.open.as_ref().and_then(|(file, _)| file.metadata().ok()).map_or(0, |facts| facts.len());
        }
        if is_heard {
            Ok(logins)
        } else {
            Err("the directories of wtmp and btmp cannot be watched".to_owned())
        }
    }

    /// Whether there is a file to read now.
    pub fn is_any_there(&self) -> bool {
        self.files.iter().any(|file| file.open.is_some())
    }

    /// Whether there is more than was read at the last turn.
    pub fn is_behind(&self) -> bool {
        self.due.is_some()
    }

    /// Reads what was added, as far as it is time for more.
    pub fn hear(&mut self, now: u64, mut tell: impl FnMut(Login)) {
        self.drain();
        if self.due.is_some_and(|due| now < due) {
            return;
        }
        let mut more = false;
        for file in &mut self.files {
            more |= file.follow(&self.watch, &mut tell).unwrap_or(false);
        }
        self.due = more.then(|| now.saturating_add(TURN));
    }

    /// Records that are there and were not read.
    pub fn unread(&self) -> u64 {
        let behind = |file: &Followed| {
            let length =
                file.open.as_ref().and_then(|(open, _)| open.metadata().ok()).map_or(0, |facts| facts.len());
            length.saturating_sub(file.at) / RECORD as u64
        };
        self.files.iter().map(behind).sum()
    }

    /// What changed is seen by looking; the news are only the bell.
    fn drain(&self) {
        let mut buffer = [0; 4096];
        while rustix::io::read(&self.watch, &mut buffer).is_ok_and(|length| length > 0) {}
    }
}

impl AsFd for Logins {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}

impl Followed {
    /// Opens what has the name now, and reads it from its beginning.
    fn reopen(&mut self, watch: &OwnedFd) -> io::Result<()> {
        (self.open, self.at) = (None, 0);
        let file = crate::guard::open_local(&self.path)?;
        let facts = file.metadata()?;
        if !facts.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        inotify::add_watch(watch, &self.path, WatchFlags::MODIFY)?;
        self.open = Some((file, facts.ino()));
        Ok(())
    }

    fn follow(&mut self, watch: &OwnedFd, tell: &mut impl FnMut(Login)) -> io::Result<bool> {
        if self.read(tell)? {
            return Ok(true);
        }
        let now = std::fs::symlink_metadata(&self.path).map(|facts| facts.ino()).ok();
        let open = self.open.as_ref().map(|(_, inode)| *inode);
        if now.is_none() || now == open {
            return Ok(false);
        }
        self.reopen(watch)?;
        self.read(tell)
    }

    fn read(&mut self, tell: &mut impl FnMut(Login)) -> io::Result<bool> {
        let Some((file, _)) = &self.open else { return Ok(false) };
        // Cut off: what is written now is new.
        if file.metadata()?.len() < self.at {
            self.at = 0;
        }
        let mut record = [0; RECORD];
        for _ in 0..MOST {
            match file.read_exact_at(&mut record, self.at) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(error),
            }
            self.at += RECORD as u64;
            read(&record, self.accepted).map(&mut *tell);
        }
        Ok(true)
    }
}

/// `None` of records that speak of no person.
fn read(record: &[u8; RECORD], accepted: bool) -> Option<Login> {
    let part = |at: usize, length: usize| record.get(at..at + length);
    let text = |at, length| {
        let bytes = part(at, length).unwrap_or_default();
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    let number = |at| Some(i32::from_ne_bytes(part(at, 4)?.try_into().ok()?));
    let time = |at| match WORD {
        4 => number(at).map(i64::from),
        _ => Some(i64::from_ne_bytes(part(at, 8)?.try_into().ok()?)),
    };
    let kind = u16::from_ne_bytes(part(0, 2)?.try_into().ok()?);
    let user = text(44, 32);
    if accepted && (kind != USER || user.is_empty()) {
        return None;
    }
    Some(Login {
        accepted,
        user,
        terminal: text(8, 32),
        from: text(76, 256),
        time_us: time(SECONDS)?.saturating_mul(1_000_000).saturating_add(time(SECONDS + WORD)?),
        pid: u32::try_from(number(4)?).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::io::Write as _;

    use super::*;

    fn record(kind: u16, user: &[u8], seconds: i32) -> [u8; RECORD] {
        let mut record = [0; RECORD];
        record[..2].copy_from_slice(&kind.to_ne_bytes());
        record[4..8].copy_from_slice(&77_i32.to_ne_bytes());
        record[8..13].copy_from_slice(b"pts/1");
        record[44..44 + user.len()].copy_from_slice(user);
        record[76..84].copy_from_slice(b"10.0.0.9");
        record[SECONDS..SECONDS + 4].copy_from_slice(&seconds.to_ne_bytes());
        record
    }

    #[test]
    fn files_are_followed_through_rotation_and_cutting() {
        let dir = tempfile::tempdir().unwrap();
        let (wtmp, btmp) = (dir.path().join("wtmp"), dir.path().join("btmp"));
        std::fs::write(&wtmp, record(USER, b"before", 1)).unwrap();
        let mut logins = Logins::open(LoginFiles { accepted: wtmp.clone(), refused: btmp.clone() }).unwrap();
        let append = |path: &Path, bytes: &[u8]| {
            File::options().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
        };
        let mut heard = || {
            let mut all = Vec::new();
            logins.hear(0, |login| all.push((login.user, login.accepted)));
            assert!(!logins.is_behind());
            all
        };
        assert!(heard().is_empty(), "what was there before is not new");
        append(&wtmp, &record(USER, b"ann", 2));
        append(&wtmp, &record(8, b"", 2));
        append(&btmp, &record(6, b"\xffroot", 3));
        assert_eq!(heard(), [("ann".to_owned(), true), ("\u{fffd}root".to_owned(), false)]);
        // In two pieces.
        let bo = record(USER, b"bo", 4);
        append(&wtmp, &bo[..100]);
        assert!(heard().is_empty());
        append(&wtmp, &bo[100..]);
        assert_eq!(heard(), [("bo".to_owned(), true)]);
        append(&wtmp, &record(USER, b"last", 5));
        std::fs::rename(&wtmp, dir.path().join("wtmp.1")).unwrap();
        append(&wtmp, &record(USER, b"first", 6));
        assert_eq!(heard(), [("last".to_owned(), true), ("first".to_owned(), true)]);
        std::fs::write(&wtmp, b"").unwrap();
        assert!(heard().is_empty());
        append(&wtmp, &record(USER, b"cut", 7));
        assert_eq!(heard(), [("cut".to_owned(), true)]);
    }

    #[test]
    fn a_flood_of_one_kind_is_read_at_its_pace_and_the_other_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let (wtmp, btmp) = (dir.path().join("wtmp"), dir.path().join("btmp"));
        let mut logins = Logins::open(LoginFiles { accepted: wtmp.clone(), refused: btmp.clone() }).unwrap();
        std::fs::write(&btmp, record(6, b"root", 1).repeat(2 * MOST + 3)).unwrap();
        std::fs::write(&wtmp, record(USER, b"ann", 2)).unwrap();
        let mut heard = |now| {
            let (mut good, mut bad) = (0, 0);
            logins.hear(now, |login| if login.accepted { good += 1 } else { bad += 1 });
            assert_eq!(logins.unread() > 0, logins.is_behind());
            (good, bad, logins.is_behind())
        };
        assert_eq!(heard(7), (1, MOST, true));
        assert_eq!(heard(8), (0, 0, true));
        File::options().append(true).open(&wtmp).unwrap().write_all(&record(USER, b"bo", 3)).unwrap();
        assert_eq!(heard(7 + TURN), (1, MOST, true));
        assert_eq!(heard(7 + 2 * TURN), (0, 3, false));
        assert_eq!(heard(8 + 2 * TURN), (0, 0, false));
    }

    #[test]
    fn a_record_is_read_with_its_time_and_place() {
        let login = read(&record(USER, &[b'u'; 32], 5), true).unwrap();
        assert_eq!((login.user.len(), login.pid, login.time_us), (32, 77, 5_000_000));
        assert_eq!((login.terminal.as_str(), login.from.as_str()), ("pts/1", "10.0.0.9"));
    }
}
