//! What is in a file: hashes, and for how long they hold.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Larger files are not hashed: they run, and that is told. Bytes.
pub const MOST_HASHED: u64 = 4 << 30;
/// Read at once. Bytes.
const BUFFER: usize = 128 << 10;
/// Files whose hashes are remembered; beyond that all are forgotten. About 150 bytes each.
const MOST_KNOWN: usize = 16_384;
/// A file that changed more recently than this may change again without its time showing it (inode(7): as coarse as the
/// kernel's tick, up to 10 ms). Nanoseconds.
const SETTLED: i128 = 50_000_000;

/// The hashes of one content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256.
    pub sha256: [u8; 32],
    /// SHA-1, where somebody asks for it.
    pub sha1: Option<[u8; 20]>,
}

/// Names one content for as long as nobody writes: device, inode, size, and both times to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Key {
    /// Of a file whose file system is not asked: what the kernel remembers of it.
    pub fn remembered(file: impl AsFd) -> Option<Self> {
        let facts = super::local::facts(file.as_fd()).ok()?;
        if !rustix::fs::FileType::from_raw_mode(facts.stx_mode.into()).is_file() {
            return None;
        }
        let time = |time: rustix::fs::StatxTimestamp| (time.tv_sec, i64::from(time.tv_nsec));
        Some(Self {
            device: rustix::fs::makedev(facts.stx_dev_major, facts.stx_dev_minor),
            inode: facts.stx_ino,
            size: facts.stx_size,
            modified: time(facts.stx_mtime),
            changed: time(facts.stx_ctime),
        })
    }

    /// Of an open file; `None` where it is no regular file.
    #[expect(clippy::useless_conversion, reason = "the widths differ between architectures")]
    pub fn of(file: impl AsFd) -> Option<Self> {
        let stat = rustix::fs::fstat(file).ok()?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return None;
        }
        Some(Self {
            device: u64::from(stat.st_dev),
            inode: u64::from(stat.st_ino),
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn inode(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Whether a change from now on would show in the times.
    pub fn is_settled(&self) -> bool {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        let age = nanoseconds(now.tv_sec, now.tv_nsec) - nanoseconds(self.changed.0, self.changed.1);
        // A time in the future shows nothing either: the clock was set back.
        age > SETTLED
    }
}

/// Hashes of files that were read.
#[derive(Debug, Default)]
pub struct Known(HashMap<Key, Digests>);

impl Known {
    pub fn get(&self, key: &Key, with_sha1: bool) -> Option<Digests> {
        self.0.get(key).copied().filter(|digests| digests.sha1.is_some() || !with_sha1)
    }

    pub fn put(&mut self, key: Key, digests: Digests) {
        if self.0.len() >= MOST_KNOWN && !self.0.contains_key(&key) {
            self.0.clear();
        }
        self.0.insert(key, digests);
    }
}

/// Hashes an open file from its beginning, without moving its offset. At most [`MOST_HASHED`] bytes.
pub fn digests(file: &File, with_sha1: bool) -> io::Result<Digests> {
    digests_until(file, with_sha1, MOST_HASHED, &|| false)
}

/// The same of at most `most` bytes; more are an error (`FileTooLarge`), and so is that `stop` was asked (`Other`).
pub fn digests_until(
    file: impl AsFd,
    with_sha1: bool,
    most: u64,
    stop: &dyn Fn() -> bool,
) -> io::Result<Digests> {
    let mut reading = Reading::new(with_sha1);
    loop {
        if stop() {
            return Err(io::ErrorKind::Other.into());
        }
        let is_over = reading.read(&file, 8 * BUFFER as u64)?;
        if reading.at > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if is_over {
            return Ok(reading.digests());
        }
    }
}

/// A file that is being hashed, piece by piece.
pub struct Reading {
    sha256: Sha256,
    sha1: Option<Sha1>,
    at: u64,
}

impl Reading {
    pub fn new(with_sha1: bool) -> Self {
        Self { sha256: Sha256::new(), sha1: with_sha1.then(Sha1::new), at: 0 }
    }

    pub fn has_sha1(&self) -> bool {
        self.sha1.is_some()
    }

    /// Goes on for `most` bytes, without moving the file's offset. Whether its end was reached.
    pub fn read(&mut self, file: impl AsFd, most: u64) -> io::Result<bool> {
        let mut buffer = vec![0; BUFFER];
        let until = self.at + most;
        while self.at < until {
            let count = match rustix::io::pread(&file, &mut buffer, self.at) {
                Ok(0) => return Ok(true),
                Ok(count) => count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            self.at += count as u64;
            if self.at > MOST_HASHED {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let read = buffer.get(..count).unwrap_or_default();
            self.sha256.update(read);
            if let Some(sha1) = &mut self.sha1 {
                sha1.update(read);
            }
        }
        Ok(false)
    }

    /// Of what was read until now.
    pub fn digests(&self) -> Digests {
        Digests {
            sha256: self.sha256.clone().finalize().into(),
            sha1: self.sha1.clone().map(|sha1| sha1.finalize().into()),
        }
    }
}
