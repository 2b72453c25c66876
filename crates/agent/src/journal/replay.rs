//! Reads the journal's file when the agent starts, and decides what a bad place in it is: the end of a write
//! that never finished, or damage. What tells them apart: after damage stands the beginning of another write, and a
//! write is begun only when the one before it is on the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::compact::create;
use super::record::{self, Body, FIRST, HEADER, MAGIC};
use super::{Error, FULL_AT, Recovered, Span};

/// Far more than the journal ever grows to. Bytes.
const LARGEST: u64 = 4 * FULL_AT;
/// Damaged files kept; the oldest number is used again after that.
const KEPT_ASIDE: u32 = 16;

/// What the file says.
pub struct Found {
    /// Its salt.
    pub salt: [u8; 8],
    /// Where the next record goes.
    pub end: u64,
    /// Where the file ends. From `end` to here all is zero.
    pub room: u64,
    /// Its records, and where they are.
    pub records: Vec<(Body, Span)>,
}

/// Reads the file; cuts a torn tail; rewrites a damaged file from what is readable and keeps the original.
pub fn open(path: &Path, now_us: i64) -> Result<(Found, Recovered), Error> {
    let bytes = read_all(path).map_err(Error::io("read"))?;
    let Some(salt) = header(&bytes) else {
        return replace(path, Vec::new(), now_us);
    };
    let (records, end) = scan(salt, &bytes, HEADER, FIRST);
    // Zeros after the last record are room for the next, however many.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    if used <= end {
        let found = Found { salt, end: end as u64, room: bytes.len() as u64, records };
        return Ok((found, Recovered::default()));
    }
    if begins_again(salt, &bytes, end, used).is_none() {
        let file = OpenOptions::new().write(true).open(path).map_err(Error::io("open"))?;
        file.set_len(end as u64).and_then(|()| file.sync_all()).map_err(Error::io("cut"))?;
        let recovered = Recovered { torn: (used - end) as u64, ..Recovered::default() };
        return Ok((Found { salt, end: end as u64, room: end as u64, records }, recovered));
    }
    let mut readable = records;
    let mut bad = end;
    while bad < used
        && let Some((start, seed)) = resume(salt, &bytes, bad, used)
    {
        let (more, stop) = scan(salt, &bytes, start, seed);
        readable.extend(more);
        bad = stop;
    }
    replace(path, readable.into_iter().map(|(body, _)| body).collect(), now_us)
}

fn read_all(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn header(bytes: &[u8]) -> Option<[u8; 8]> {
    bytes.strip_prefix(MAGIC.as_slice())?.first_chunk().copied()
}

/// Valid records from `start` on, and where they stop. The first of them has this seed; each later one goes on with
/// the write of the one before it, or begins another.
pub fn scan(salt: [u8; 8], bytes: &[u8], start: usize, seed: u32) -> (Vec<(Body, Span)>, usize) {
    let mut records = Vec::new();
    let mut at = start;
    let read = |at: usize, seed| Some((record::read(salt, seed, &bytes[at..])?, seed));
    let mut next = read(at, seed);
    while let Some(((body, head), seed)) = next {
        records.push((body, Span { at: at as u64, len: head.len as u32, seed }));
        at += head.len;
        next = read(at, FIRST).or_else(|| read(at, head.sum));
    }
    (records, at)
}

/// The next place after a bad one, and before the zeros at the end, where a write begins. A torn tail has none.
fn begins_again(salt: [u8; 8], bytes: &[u8], bad: usize, used: usize) -> Option<usize> {
    (bad + 1..used).find(|at| record::read(salt, FIRST, &bytes[*at..]).is_some())
}

/// Where to read on after a bad place in a damaged file, and with which seed: with the next record of the same write,
/// if the frame of the bad one still leads there, or else where another write begins.
fn resume(salt: [u8; 8], bytes: &[u8], bad: usize, used: usize) -> Option<(usize, u32)> {
    let next = record::head(&bytes[bad..]).map(|head| (bad + head.len, head.sum));
    next.filter(|(at, seed)| record::read(salt, *seed, &bytes[*at..]).is_some())
        .or_else(|| begins_again(salt, bytes, bad, used).map(|at| (at, FIRST)))
}

/// Keeps the damaged file aside and begins anew with what was readable.
fn replace(path: &Path, mut readable: Vec<Body>, now_us: i64) -> Result<(Found, Recovered), Error> {
    let aside = aside(path);
    fs::copy(path, &aside).map_err(Error::io("keep a copy of"))?;
    readable.push(Body::Damaged(record::Damaged { at_us: now_us }));
    let salt = create(path, &readable)?;
    let bytes = read_all(path).map_err(Error::io("read"))?;
    let (records, end) = scan(salt, &bytes, HEADER, FIRST);
    let found = Found { salt, end: end as u64, room: end as u64, records };
    Ok((found, Recovered { damaged: Some(aside), ..Recovered::default() }))
}

fn aside(path: &Path) -> PathBuf {
    let name = |number: u32| path.with_extension(format!("damaged-{number}"));
    (1..KEPT_ASIDE).map(name).find(|candidate| !candidate.exists()).unwrap_or_else(|| name(KEPT_ASIDE))
}
