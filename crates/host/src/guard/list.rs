//! Many hashes in one file: sorted, searched on disk, so that a hundred thousand of them take no memory.
//!
//! Layout: `QHL1`, then for SHA-256 to block, SHA-256 to report, SHA-1 to block and SHA-1 to report a number of hashes each
//! (four bytes, big-endian), then the hashes in the same order, each group sorted and without separators.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

const MAGIC: &[u8; 4] = b"QHL1";
const HEAD: u64 = 20;
/// Hashes of one group.
const MOST: u32 = 4_000_000;

/// What is done with content whose hash is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It must not run.
    Block,
    /// It is reported when it runs.
    Report,
}

/// The four groups, in any order; duplicates do no harm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// SHA-256 to block.
    pub block_sha256: Vec<[u8; 32]>,
    /// SHA-256 to report.
    pub report_sha256: Vec<[u8; 32]>,
    /// SHA-1 to block.
    pub block_sha1: Vec<[u8; 20]>,
    /// SHA-1 to report.
    pub report_sha1: Vec<[u8; 20]>,
}

/// Writes the file anew, beside it first and then in its place (mode 0600). Who has it open keeps the old one.
pub fn write(path: &Path, mut lists: Lists) -> io::Result<()> {
    lists.block_sha256.sort_unstable();
    lists.report_sha256.sort_unstable();
    lists.block_sha1.sort_unstable();
    lists.report_sha1.sort_unstable();
    let fresh = path.with_extension("new");
    let file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
    let mut out = BufWriter::new(file);
    out.write_all(MAGIC)?;
    let counts = [
        lists.block_sha256.len(),
        lists.report_sha256.len(),
        lists.block_sha1.len(),
        lists.report_sha1.len(),
    ];
    for count in counts {
        let count = u32::try_from(count).ok().filter(|count| *count <= MOST);
        out.write_all(&count.ok_or(io::ErrorKind::FileTooLarge)?.to_be_bytes())?;
    }
    for group in [&lists.block_sha256, &lists.report_sha256] {
        out.write_all(group.as_flattened())?;
    }
    for group in [&lists.block_sha1, &lists.report_sha1] {
        out.write_all(group.as_flattened())?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&fresh, path)
}

/// An open file of hashes.
#[derive(Debug)]
pub struct List {
    file: File,
    counts: [u32; 4],
}

impl List {
    /// Opens it, and looks whether it is whole.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut head = [0; HEAD as usize];
        file.read_exact(&mut head)?;
        let (magic, numbers) = head.split_at(MAGIC.len());
        let mut counts = [0; 4];
        for (count, bytes) in counts.iter_mut().zip(numbers.as_chunks::<4>().0) {
            *count = u32::from_be_bytes(*bytes);
        }
        let fits = counts.iter().all(|count| *count <= MOST);
        let list = Self { file, counts };
        let length = list.start(2) + (u64::from(counts[2]) + u64::from(counts[3])) * 20;
        if magic != MAGIC || !fits || list.file.metadata()?.len() != length {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(list)
    }

    /// Whether there is a SHA-1 in it at all.
    pub fn has_sha1(&self) -> bool {
        self.counts[2] > 0 || self.counts[3] > 0
    }

    /// How many hashes are in it.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// What is done with content of this SHA-256.
    pub fn sha256(&self, hash: &[u8; 32]) -> Option<Entry> {
        self.either(hash, 0)
    }

    /// What is done with content of this SHA-1.
    pub fn sha1(&self, hash: &[u8; 20]) -> Option<Entry> {
        self.either(hash, 2)
    }

    fn either<const N: usize>(&self, hash: &[u8; N], first: usize) -> Option<Entry> {
        if self.search(hash, first) {
            return Some(Entry::Block);
        }
        self.search(hash, first + 1).then_some(Entry::Report)
    }

    /// Where a group begins.
    fn start(&self, group: usize) -> u64 {
        let sizes = [32, 32, 20, 20];
        let before = self.counts.iter().zip(sizes).take(group);
        HEAD + before.map(|(count, size)| u64::from(*count) * size).sum::<u64>()
    }

    /// A file that cannot be read any more blocks nothing.
    fn search<const N: usize>(&self, hash: &[u8; N], group: usize) -> bool {
        let start = self.start(group);
        let (mut low, mut high) = (0, self.counts.get(group).copied().unwrap_or(0));
        let mut found = [0; N];
        while low < high {
            let middle = low + (high - low) / 2;
            if self.file.read_exact_at(&mut found, start + u64::from(middle) * N as u64).is_err() {
                return false;
            }
            match found.cmp(hash) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    }
}

/// Whether a file of hashes blocks this one, given in hex.
pub fn is_listed(path: &Path, hash: &str) -> bool {
    let Ok(list) = List::open(path) else { return false };
    let found = match (crate::unhex(hash.as_bytes()), crate::unhex(hash.as_bytes())) {
        (Some(sha256), _) => list.sha256(&sha256),
        (None, Some(sha1)) => list.sha1(&sha1),
        (None, None) => None,
    };
    found == Some(Entry::Block)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_was_written_is_found_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        let hash = |number: u32| {
            let mut hash = [7; 32];
            hash[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
            hash
        };
        let lists = Lists {
            block_sha256: (0..1000).map(hash).collect(),
            report_sha256: vec![[1; 32]],
            block_sha1: vec![[2; 20], [0; 20]],
            report_sha1: vec![],
        };
        write(&path, lists).unwrap();
        let list = List::open(&path).unwrap();
        assert!((0..1000).all(|number| list.sha256(&hash(number)) == Some(Entry::Block)));
        assert!((1000..2000).all(|number| list.sha256(&hash(number)).is_none()));
        assert_eq!(list.sha256(&[1; 32]), Some(Entry::Report));
        assert_eq!((list.sha1(&[0; 20]), list.sha1(&[3; 20])), (Some(Entry::Block), None));
        assert!(list.has_sha1());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(List::open(&path).is_err(), "one byte short");
        write(&path, Lists::default()).unwrap();
        assert!(!List::open(&path).unwrap().has_sha1());
    }
}
