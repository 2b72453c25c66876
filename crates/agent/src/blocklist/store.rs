//! The list on disk: one sorted file, changed by merging it with what a delta says, so that neither reading nor changing it
//! takes more memory than the delta.
//!
//! A record: class (0 exception, 1 object), kind, action, risk, a byte each; expiry, eight bytes; length, two bytes; the value.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use quell_wire::blocklist::{Delta, Held};
use quell_wire::limits;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::state::StateDir;

const FILE: &str = "blocklist.json";
const FOLDER: &str = "blocklist";
/// A record without its value. Bytes.
const HEAD: usize = 14;

/// What is held, as it is written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Version.
    pub version: u64,
    /// Digest, 32 bytes or none.
    pub digest: Vec<u8>,
    /// The file's name in the folder; none where nothing is listed.
    pub file: Option<String>,
    /// CRC-32 of the file.
    pub crc: u32,
}

impl Kept {
    /// As it goes over the wire.
    pub fn held(&self) -> Held {
        Held { version: self.version, digest: self.digest.clone() }
    }
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Never blocked, rather than listed.
    pub is_exception: bool,
    /// `quell_wire::blocklist::Kind`.
    pub kind: u8,
    /// `quell_wire::blocklist::Action`.
    pub action: u8,
    /// `quell_wire::blocklist::Risk`.
    pub risk: u8,
    /// Microseconds since 1970; 0: never.
    pub expires_us: i64,
    /// As the kind says.
    pub value: Vec<u8>,
}

type Key = (u8, u8, Vec<u8>);

impl Record {
    fn key(&self) -> Key {
        (u8::from(!self.is_exception), self.kind, self.value.clone())
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&[u8::from(!self.is_exception), self.kind, self.action, self.risk]);
        head[4..12].copy_from_slice(&self.expires_us.to_be_bytes());
        head[12..].copy_from_slice(&u16::try_from(self.value.len()).map_err(io::Error::other)?.to_be_bytes());
        out.write_all(&head)?;
        out.write_all(&self.value)
    }

    fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; HEAD];
        if from.read(&mut head[..1])? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut head[1..])?;
        let [class, kind, action, risk, e0, e1, e2, e3, e4, e5, e6, e7, l0, l1] = head;
        let mut value = vec![0; usize::from(u16::from_be_bytes([l0, l1]))];
        from.read_exact(&mut value)?;
        let expires_us = i64::from_be_bytes([e0, e1, e2, e3, e4, e5, e6, e7]);
        Ok(Some(Self { is_exception: class == 0, kind, action, risk, expires_us, value }))
    }
}

/// Where the list's files are.
#[derive(Clone, Debug)]
pub struct Store {
    state: StateDir,
    folder: PathBuf,
}

impl Store {
    /// Makes the folder.
    pub fn open(state: &StateDir) -> Result<Self, Error> {
        Ok(Self { state: state.clone(), folder: state.directory(FOLDER)? })
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What is held; version 0 where nothing was ever taken.
    pub fn load(&self) -> Result<Kept, Error> {
        match self.state.read(FILE)? {
            None => Ok(Kept::default()),
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| Error::Damaged),
        }
    }

    /// Keeps it, durably, and removes files of earlier versions.
    pub fn save(&self, kept: &Kept) -> Result<(), Error> {
        let bytes = serde_json::to_vec(kept).map_err(|_| Error::Damaged)?;
        self.state.write(FILE, &bytes)?;
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let is_old = name.to_str().is_some_and(|name| name.starts_with("objects-"))
                && kept.file.as_deref().is_none_or(|file| name != file);
            if is_old {
                // One that stays is removed by the next change.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Whether the file is there as it was written.
    pub fn is_whole(&self, kept: &Kept) -> bool {
        let Some(file) = &kept.file else { return true };
        let crc = || -> io::Result<u32> {
            let (mut file, mut buffer) = (File::open(self.path(file))?, vec![0; 64 << 10]);
            let mut hasher = crc32fast::Hasher::new();
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(hasher.finalize()),
                    count => hasher.update(buffer.get(..count).unwrap_or_default()),
                }
            }
        };
        crc().is_ok_and(|crc| crc == kept.crc)
    }

    /// Every record, in order, to `each`.
    pub fn each(&self, kept: &Kept, mut each: impl FnMut(Record)) -> Result<(), Error> {
        let Some(file) = &kept.file else { return Ok(()) };
        let mut from = BufReader::new(File::open(self.path(file)).map_err(Error::File)?);
        while let Some(record) = Record::read(&mut from).map_err(Error::File)? {
            each(record);
        }
        Ok(())
    }

    /// The file `old`, changed by a delta, as the file `new`. Answers its CRC-32.
    pub fn merge(&self, old: Option<&str>, delta: &Delta, new: &str) -> Result<u32, Error> {
        let changes = changes(delta);
        let old =
            old.map(|old| File::open(self.path(old)).map(BufReader::new)).transpose().map_err(Error::File)?;
        merged(old, changes, &self.path(new))
    }
}

fn merged(
    mut old: Option<BufReader<File>>,
    changes: BTreeMap<Key, Option<Record>>,
    new: &Path,
) -> Result<u32, Error> {
    let mut out = Sum {
        out: BufWriter::new(File::create(new).map_err(Error::File)?),
        hasher: crc32fast::Hasher::new(),
    };
    let mut changes = changes.into_iter().peekable();
    let mut counts = [0_usize; 2];
    let mut put = |record: &Record| -> Result<(), Error> {
        let (at, most) = if record.is_exception {
            (0, limits::BLOCK_LIST_EXCEPTIONS)
        } else {
            (1, limits::BLOCK_LIST_OBJECTS)
        };
        let count = &mut counts[at];
        *count += 1;
        if *count > most {
            return Err(Error::TooLarge);
        }
        record.write(&mut out).map_err(Error::File)
    };
    loop {
        let before = match &mut old {
            Some(old) => Record::read(old).map_err(Error::File)?,
            None => None,
        };
        let key = before.as_ref().map(Record::key);
        let mut is_changed = false;
        while let Some((changed, change)) =
            changes.next_if(|(changed, _)| key.as_ref().is_none_or(|key| changed <= key))
        {
            is_changed |= key.as_ref() == Some(&changed);
            if let Some(record) = &change {
                put(record)?;
            }
        }
        match before {
            None => break,
            Some(record) if !is_changed => put(&record)?,
            Some(_) => {}
        }
    }
    let crc = out.hasher.clone().finalize();
    let file = out.out.into_inner().map_err(|error| Error::File(error.into_error()))?;
    file.sync_all().map_err(Error::File)?;
    Ok(crc)
}

struct Sum {
    out: BufWriter<File>,
    hasher: crc32fast::Hasher,
}

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.hasher.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What a delta does to each record that it names: what goes first, then what comes.
fn changes(delta: &Delta) -> BTreeMap<Key, Option<Record>> {
    let mut changes = BTreeMap::new();
    let byte = |number: i32| u8::try_from(number).ok();
    for (class, list) in [(1, &delta.removes), (0, &delta.unexcepts)] {
        for plain in list {
            let Some(kind) = byte(plain.kind) else { continue };
            changes.extend(plain.values.iter().map(|value| ((class, kind, value.clone()), None)));
        }
    }
    let mut come = |is_exception, numbers: [i32; 3], expires_us, values: &[Vec<u8>]| {
        let [Some(kind), Some(action), Some(risk)] = numbers.map(byte) else { return };
        for value in values {
            let record = Record { is_exception, kind, action, risk, expires_us, value: value.clone() };
            changes.insert(record.key(), Some(record));
        }
    };
    for group in &delta.adds {
        come(false, [group.kind, group.action, group.risk], group.expires_at_us, &group.values);
    }
    for plain in &delta.excepts {
        come(true, [plain.kind, 0, 0], 0, &plain.values);
    }
    changes
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use quell_wire::blocklist::{Group, Plain};

    use super::*;

    fn group(kind: i32, values: &[&[u8]]) -> Group {
        let values = values.iter().map(|value| value.to_vec()).collect();
        Group { kind, action: 2, risk: 3, expires_at_us: 7, values }
    }

    fn plain(kind: i32, values: &[&[u8]]) -> Plain {
        Plain { kind, values: values.iter().map(|value| value.to_vec()).collect() }
    }

    #[test]
    fn deltas_change_the_file_as_they_say() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&StateDir::open(&dir.path().join("state")).unwrap()).unwrap();
        let first = Delta {
            adds: vec![group(4, &[b"b.example", b"a.example"]), group(3, &[&[1, 2, 3, 4, 32]])],
            excepts: vec![plain(4, &[b"c.example"])],
            ..Delta::default()
        };
        let crc = store.merge(None, &first, "objects-1").unwrap();
        let kept = Kept { version: 1, digest: vec![1; 32], file: Some("objects-1".into()), crc };
        let second = Delta {
            removes: vec![plain(4, &[b"a.example", b"never.there"])],
            adds: vec![Group { action: 1, ..group(4, &[b"b.example"]) }, group(2, &[&[9; 32]])],
            unexcepts: vec![plain(4, &[b"c.example"])],
            ..Delta::default()
        };
        let crc = store.merge(kept.file.as_deref(), &second, "objects-2").unwrap();
        let kept = Kept { version: 2, file: Some("objects-2".into()), crc, ..kept };
        store.save(&kept).unwrap();
        assert!(store.is_whole(&kept) && !store.path("objects-1").exists());
        assert_eq!(store.load().unwrap(), kept);
        let mut seen = Vec::new();
        store
            .each(&kept, |record| seen.push((record.is_exception, record.kind, record.action, record.value)))
            .unwrap();
        assert_eq!(
            seen,
            [
                (false, 2, 2, vec![9; 32]),
                (false, 3, 2, vec![1, 2, 3, 4, 32]),
                (false, 4, 1, b"b.example".to_vec())
            ]
        );
        std::fs::write(store.path("objects-2"), b"x").unwrap();
        assert!(!store.is_whole(&kept));
    }
}
