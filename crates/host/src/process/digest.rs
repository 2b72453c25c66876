//! Hashes of running executables, taken from the file that runs and not from what lies under its name.

use std::collections::HashMap;
use std::io::Read;

use rustix::fs::OFlags;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::Proc;

/// Larger executables are not hashed, and counted as unreadable.
const SIZE_CAP: u64 = 4 * 1024 * 1024 * 1024;

/// SHA-1 and SHA-256 of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// SHA-1.
    pub sha1: [u8; 20],
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// Device, inode, size, and modification and change time to the nanosecond: within one call, the same
/// content. Processes that share an executable share one reading of it.
type Key = (u64, u64, i64, (i64, i64), (i64, i64));

#[derive(Default)]
pub(super) struct Cache {
    known: HashMap<Key, Option<Digests>>,
}

impl Cache {
    /// `None`: it has no executable, or it could not be read to the end.
    pub fn of(&mut self, proc: &Proc) -> Option<Digests> {
        let file = std::fs::File::from(proc.open_at("exe", OFlags::RDONLY | OFlags::NONBLOCK).ok()?);
        let stat = rustix::fs::fstat(&file).ok()?;
        #[expect(clippy::useless_conversion, reason = "the widths differ between architectures")]
        let key = (
            u64::from(stat.st_dev),
            u64::from(stat.st_ino),
            i64::from(stat.st_size),
            (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        );
        *self.known.entry(key).or_insert_with(|| hash(file))
    }
}

fn hash(file: std::fs::File) -> Option<Digests> {
    let (mut sha1, mut sha256) = (Sha1::new(), Sha256::new());
    let mut file = file.take(SIZE_CAP + 1);
    let mut buffer = vec![0u8; 128 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                sha1.update(&buffer[..n]);
                sha256.update(&buffer[..n]);
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    (file.limit() > 0).then(|| Digests { sha1: sha1.finalize().into(), sha256: sha256.finalize().into() })
}
