//! Hashes of files, and for how long they hold.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use md5::Digest;
use ring::digest::{Context, SHA256};
use rustix::time::{ClockId, clock_gettime};

/// Larger files are not read. Bytes.
const MOST: u64 = 128 << 20;
/// Read at once. Bytes.
const BUFFER: usize = 128 << 10;
/// A file that changed more recently than this may change again without its times showing it (inode(7)). Nanoseconds.
const SETTLED: i128 = 50_000_000;

/// Names one content for as long as nobody writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// None of a file that is too large.
    pub sha256: Option<[u8; 32]>,
    pub md5: Option<[u8; 16]>,
    pub size: u64,
    pub package: Arc<str>,
    /// The package whose program has the same content, where this file is no package's.
    pub copy_of: Arc<str>,
}

impl Key {
    /// None where it is no regular file.
    pub fn of(file: &File) -> Option<Self> {
        let facts = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(Self {
            device: facts.dev(),
            inode: facts.ino(),
            size: facts.size(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        })
    }

    /// Whether a change from now on would show in the times.
    pub fn is_settled(&self) -> bool {
        let now = clock_gettime(ClockId::Realtime);
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        nanoseconds(now.tv_sec, now.tv_nsec) - nanoseconds(self.changed.0, self.changed.1) > SETTLED
    }
}

/// Device, as its two numbers, and inode.
pub fn inode(file: &File) -> Option<((u32, u32), u64)> {
    let facts = file.metadata().ok()?;
    Some(((rustix::fs::major(facts.dev()), rustix::fs::minor(facts.dev())), facts.ino()))
}

/// Whether it is what a compiler makes of one source: nothing that runs by itself (elf(5), `ET_REL`).
pub fn is_object(file: &File) -> bool {
    let mut head = [0; 18];
    let is_read = file.read_exact_at(&mut head, 0).is_ok();
    let [0x7f, b'E', b'L', b'F', _, order, .., low, high] = head else { return false };
    let kind = if order == 2 { u16::from_be_bytes([low, high]) } else { u16::from_le_bytes([low, high]) };
    is_read && kind == 1
}

/// Reads a file. None where it cannot be read, or changed meanwhile.
pub fn read(file: &File, key: &Key, with_md5: bool, buffer: &mut Vec<u8>) -> Option<Read> {
    if key.size > MOST {
        return Some(Read { size: key.size, ..Read::default() });
    }
    buffer.resize(BUFFER, 0);
    let mut sha256 = Context::new(&SHA256);
    let mut md5 = with_md5.then(md5::Md5::new);
    let mut at = 0;
    loop {
        let count = match file.read_at(buffer, at) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return None,
        };
        at += count as u64;
        // It grows while it is read.
        if at > MOST {
            return None;
        }
        let bytes = buffer.get(..count)?;
        sha256.update(bytes);
        if let Some(md5) = &mut md5 {
            md5.update(bytes);
        }
    }
    if Key::of(file).as_ref() != Some(key) || at != key.size {
        return None;
    }
    let sha256 = <[u8; 32]>::try_from(sha256.finish().as_ref()).ok();
    Some(Read { sha256, md5: md5.map(|md5| md5.finalize().into()), size: at, ..Read::default() })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn content_is_hashed_and_named_by_its_times() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, b"abc").unwrap();
        let file = File::open(&path).unwrap();
        let key = Key::of(&file).unwrap();
        let known = read(&file, &key, true, &mut Vec::new()).unwrap();
        assert_eq!(known.sha256.unwrap()[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(known.md5.unwrap()[..4], [0x90, 0x01, 0x50, 0x98]);
        assert_eq!(known.size, 3);
        assert!(!is_object(&file) && Key::of(&File::open(dir.path()).unwrap()).is_none());
        std::fs::write(&path, b"abcd").unwrap();
        assert_ne!(Key::of(&file).unwrap(), key);
        assert!(read(&file, &key, false, &mut Vec::new()).is_none(), "it changed");
        let mut object = vec![0x7f, b'E', b'L', b'F', 2, 1];
        object.resize(16, 0);
        object.extend([1, 0]);
        std::fs::write(&path, &object).unwrap();
        assert!(is_object(&File::open(&path).unwrap()));
        object[16] = 3;
        std::fs::write(&path, &object).unwrap();
        assert!(!is_object(&File::open(&path).unwrap()));
    }
}
