//! What was signed, in files of the signer's own: JSON lines in a chain of hashes.
//!
//! The line is written before the signature leaves. A batch is one write; the disk is waited for once a second at most
//! ([`Journal::settle`]), not for each order: after a power cut the last second may be missing, after a crash of the signer
//! nothing is. Whoever can write the files can write them anew from some line on: what they hold is compared with the
//! server's own audit trail, which names the same orders.

mod verify;

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use quell_wire::digest::{hex, sha256};
use serde::{Deserialize, Serialize};

pub use verify::{Report, verify};

use crate::file::{self, Error, at};

/// The file that is written now.
const CURRENT: &str = "signed.jsonl";
/// A full file ends with this size, bytes.
const FULL: u64 = 64 << 20;
/// How many full files are kept where the policy does not say.
const KEPT: u32 = 16;
/// No line is longer.
const LINE: u64 = 32 << 10;
const DOMAIN: &[u8] = b"quell/signer-journal/v1\0";
/// Before the first line.
const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One order that was signed. Holds no parameters and no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Rises by one with each line.
    pub n: u64,
    /// When, microseconds since 1970, by the signer's clock.
    pub at: i64,
    /// Whose endpoint.
    pub tenant: String,
    /// The task.
    pub task: String,
    /// The order.
    pub order: String,
    /// The endpoint.
    pub endpoint: String,
    /// The action.
    pub action: String,
    /// Who asked: kind and id.
    pub requester: String,
    /// SHA-256 of the intent, hex.
    pub digest: String,
    /// Ids of the people who approved.
    pub approvers: Vec<String>,
    /// Which key signed.
    pub key: String,
    /// The hash of the line before, hex.
    pub prev: String,
}

/// What the journal needs to know of an order.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) tenant: String,
    pub(crate) task: String,
    pub(crate) order: String,
    pub(crate) endpoint: String,
    pub(crate) action: String,
    pub(crate) requester: String,
    pub(crate) digest: String,
    pub(crate) approvers: Vec<String>,
}

/// The journal, open for writing.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    file: File,
    size: u64,
    next: u64,
    head: String,
    full: u64,
    kept: u32,
    is_dirty: bool,
}

impl Journal {
    /// Opens the journal in this directory, which the caller has locked. A line that a crash cut short is taken off.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        Self::with(directory, FULL)
    }

    pub(crate) fn with(directory: &Path, full: u64) -> Result<Self, Error> {
        let path = directory.join(CURRENT);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(at(&path))?;
        let size = whole(&mut file).map_err(at(&path))?;
        file.set_len(size).map_err(at(&path))?;
        file.seek(SeekFrom::End(0)).map_err(at(&path))?;
        let mut last = last_line(&mut file, size).map_err(at(&path))?;
        if last.is_none()
            && let Some(full) = files(directory)?.into_iter().rev().find(|other| *other != path)
        {
            let mut before = File::open(&full).map_err(at(&full))?;
            let end = before.metadata().map_err(at(&full))?.len();
            last = last_line(&mut before, end).map_err(at(&full))?;
        }
        let (next, head) = match last {
            None => (1, NOTHING.to_owned()),
            Some(line) => {
                let (entry, hash) = read_line(&line).ok_or_else(|| Error::Foreign(path.clone()))?;
                (entry.n + 1, hash)
            }
        };
        file::sync_parent(&path)?;
        let directory = directory.to_owned();
        Ok(Self { directory, file, size, next, head, full, kept: KEPT, is_dirty: false })
    }

    /// How many full files are kept from now on.
    pub(crate) fn keep(&mut self, files: Option<u32>) {
        self.kept = files.unwrap_or(KEPT);
    }

    /// Writes what is about to be signed, in one write.
    ///
    /// # Errors
    /// Nothing of it counts as written, and nothing of it may be signed.
    pub(crate) fn append(&mut self, deeds: &[Deed], key: &str, now_us: i64) -> Result<(), Error> {
        if deeds.is_empty() {
            return Ok(());
        }
        if self.size >= self.full {
            self.turn()?;
        }
        let path = self.directory.join(CURRENT);
        let (mut head, mut lines) = (self.head.clone(), String::with_capacity(deeds.len() * 512));
        for (number, deed) in (self.next..).zip(deeds) {
            let entry = entry(number, deed, key, now_us, head);
            let (line, hash) = write_line(&entry).ok_or_else(|| Error::Foreign(path.clone()))?;
            lines.push_str(&line);
            head = hash;
        }
        if let Err(error) = self.file.write_all(lines.as_bytes()) {
            // What was written of it is taken off again; where that fails too, the next start does it.
            let _ = self.file.set_len(self.size).and_then(|()| self.file.seek(SeekFrom::End(0)));
            return Err(at(&path)(error));
        }
        self.size += lines.len() as u64;
        self.next += deeds.len() as u64;
        self.head = head;
        self.is_dirty = true;
        Ok(())
    }

    /// What is to be waited for to bring all lines so far to the disk; `None` where nothing is.
    pub(crate) fn settle(&mut self) -> Option<File> {
        let is_dirty = std::mem::take(&mut self.is_dirty);
        is_dirty.then(|| self.file.try_clone().ok()).flatten()
    }

    /// Sets the full file aside and begins the next.
    fn turn(&mut self) -> Result<(), Error> {
        let path = self.directory.join(CURRENT);
        self.file.sync_data().map_err(at(&path))?;
        let aside = self.directory.join(format!("signed-{:020}.jsonl", self.next - 1));
        fs::rename(&path, &aside).map_err(at(&path))?;
        self.file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(at(&path))?;
        self.size = 0;
        file::sync_parent(&path)?;
        let full: Vec<PathBuf> = files(&self.directory)?.into_iter().filter(|other| *other != path).collect();
        let surplus = full.len().saturating_sub(self.kept as usize);
        for old in full.iter().take(surplus) {
            fs::remove_file(old).map_err(at(old))?;
        }
        Ok(())
    }
}

fn entry(n: u64, deed: &Deed, key: &str, at: i64, prev: String) -> Entry {
    let deed = deed.clone();
    Entry {
        n,
        at,
        tenant: deed.tenant,
        task: deed.task,
        order: deed.order,
        endpoint: deed.endpoint,
        action: deed.action,
        requester: deed.requester,
        digest: deed.digest,
        approvers: deed.approvers,
        key: key.to_owned(),
        prev,
    }
}

/// A line with its hash, which stands last, and is of all that stands before it.
fn write_line(entry: &Entry) -> Option<(String, String)> {
    let body = serde_json::to_string(entry).ok()?;
    let hash = hex(&sha256(&[DOMAIN, body.as_bytes()]));
    let open = body.strip_suffix('}')?;
    Some((format!("{open},\"hash\":\"{hash}\"}}\n"), hash))
}

/// A line and its hash, where the hash is right.
fn read_line(line: &str) -> Option<(Entry, String)> {
    let (open, rest) = line.trim_end_matches('\n').rsplit_once(",\"hash\":\"")?;
    let hash = rest.strip_suffix("\"}")?;
    let body = format!("{open}}}");
    let entry: Entry = serde_json::from_str(&body).ok()?;
    (hex(&sha256(&[DOMAIN, body.as_bytes()])) == hash).then(|| (entry, hash.to_owned()))
}

/// The files of the journal, oldest first.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut full = Vec::new();
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        let path = entry.map_err(at(directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let number = name.strip_prefix("signed-").and_then(|rest| rest.strip_suffix(".jsonl"));
        if number
            .is_some_and(|number| number.len() == 20 && number.bytes().all(|digit| digit.is_ascii_digit()))
        {
            full.push(path);
        }
    }
    full.sort();
    let current = directory.join(CURRENT);
    if current.exists() {
        full.push(current);
    }
    Ok(full)
}

/// How long the file is up to the end of its last whole line.
fn whole(file: &mut File) -> std::io::Result<u64> {
    let size = file.metadata()?.len();
    let tail = tail(file, size)?;
    let cut = tail.iter().rev().position(|byte| *byte == b'\n').unwrap_or(tail.len());
    Ok(size - cut as u64)
}

/// The last whole line of a file that is `size` bytes long.
fn last_line(file: &mut File, size: u64) -> std::io::Result<Option<String>> {
    let tail = tail(file, size)?;
    let Some(lines) = tail.strip_suffix(b"\n") else { return Ok(None) };
    let line = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(line).into_owned()))
}

/// The end of a file: at least its last line.
fn tail(file: &mut File, size: u64) -> std::io::Result<Vec<u8>> {
    let from = size.saturating_sub(2 * LINE);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(size - from).read_to_end(&mut tail)?;
    Ok(tail)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn deed() -> Deed {
        Deed {
            tenant: "t".into(),
            task: "a".into(),
            order: "o".into(),
            endpoint: "e".into(),
            action: "endpoint.isolate".into(),
            requester: "person p".into(),
            digest: "00".into(),
            approvers: vec!["b".into()],
        }
    }

    #[test]
    fn full_files_are_set_aside_and_the_oldest_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::with(dir.path(), 1000).unwrap();
        journal.keep(Some(3));
        for at in 0..40 {
            journal.append(&[deed(), deed()], "k", at).unwrap();
        }
        let report = verify(dir.path(), |_| ()).unwrap();
        assert_eq!((report.files, report.problem), (4, None));
        assert!(report.first > Some(1), "{:?}", report.first);
        assert_eq!(report.head.map(|(number, _)| number), Some(80));
        drop(journal);
        // Right after a turn the current file is empty: the chain goes on from the one before.
        let full = files(dir.path()).unwrap();
        fs::write(full.last().unwrap(), "").unwrap();
        let mut journal = Journal::with(dir.path(), 1000).unwrap();
        journal.append(&[deed()], "k", 1).unwrap();
        assert_eq!(verify(dir.path(), |_| ()).unwrap().problem, None);
    }
}
