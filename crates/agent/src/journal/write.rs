//! How records get into the file: placed, synced, settled. In three steps, so that nobody who only looks at the
//! journal waits for the disk.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::record::{self, Acknowledged, Body};
use super::{COMPACT_AT, Error, FULL_AT, Journal, MOST_IDS, Span, Stage};
use crate::runner::chain;
use crate::state::write_synced;

/// The file grows by this. Some fifty orders' records, so that one in fifty costs a longer write; and little enough
/// for an endpoint that is never asked for anything more. Bytes.
pub(super) const PIECE: u64 = 64 << 10;
/// Kept on disk to be given up when an outcome must be written and the disk is full. Bytes.
const RESERVE: usize = 2 << 20;
/// Acknowledgements that wait at most.
const NOTED: usize = 64;

/// Records that stand in the file and are not synced. Nothing else may be placed before they are settled.
#[derive(Debug)]
pub struct Placed {
    file: Arc<File>,
    len: u64,
    spans: Vec<Span>,
    noted: Vec<Body>,
}

impl Placed {
    /// Waits for the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

impl Journal {
    /// Writes records after the last one. They are not known before they are settled.
    pub fn place(&mut self, records: &[Body], now_us: i64) -> Result<Placed, Error> {
        let accepts = accepts(records);
        if self.end > COMPACT_AT && self.end > 2 * self.compacted {
            match self.compact(now_us) {
                // On a full disk there is no room for a second file, and what was done must be written down all the
                // same: the reserve below is for that.
                Err(error) if !accepts => {
                    tracing::warn!(error = chain(&error), "the journal cannot be made smaller");
                }
                result => result?,
            }
        }
        self.moor()?;
        if accepts {
            if self.end > FULL_AT || self.entries.len() > MOST_IDS {
                return Err(Error::Full);
            }
            self.keep_reserve()?;
        }
        self.put(records)
    }

    /// Takes placed records over, all or none: known from now on if the disk has them, taken back if it has not.
    pub fn settle(&mut self, records: &[Body], placed: Placed, synced: io::Result<()>) -> Result<(), Error> {
        if let Err(source) = synced {
            self.take_back(placed.noted);
            return Err(Error::Io { what: "write to", source });
        }
        self.end += placed.len;
        for (body, span) in records.iter().zip(placed.spans) {
            self.index(body, span);
        }
        Ok(())
    }

    /// Gives the reserve up for records without which an end would be lost; `false` where there is none, or where
    /// they are not such. Worth another try if `true`.
    pub fn give_up_reserve(&self, records: &[Body], error: &Error) -> bool {
        error.is_full_disk() && !accepts(records) && fs::remove_file(self.reserve()).is_ok()
    }

    /// Writes records; with `sync` they are durable when this returns. All or none.
    #[cfg(test)]
    pub fn append(&mut self, records: &[Body], sync: bool, now_us: i64) -> Result<(), Error> {
        loop {
            let done = self.place(records, now_us).and_then(|placed| {
                let synced = if sync { placed.sync() } else { Ok(()) };
                self.settle(records, placed, synced)
            });
            match done {
                Err(error) if self.give_up_reserve(records, &error) => {}
                done => return done,
            }
        }
    }

    /// The server holds an outcome. Known at once, and written down with the next record: lost in a crash, the outcome
    /// is sent and acknowledged once more. `true` where so many wait that they should be written down now.
    pub fn acknowledge(&mut self, order_id: &str) -> bool {
        if self.entries.get(order_id).is_some_and(|entry| entry.stage == Stage::Finished) {
            let body = Body::Acknowledged(Acknowledged { order_id: order_id.to_owned() });
            self.index(&body, Span { at: 0, len: 0, seed: record::FIRST });
            self.noted.push(body);
        }
        self.noted.len() >= NOTED
    }

    fn put(&mut self, records: &[Body]) -> Result<Placed, Error> {
        let size: usize =
            self.noted.iter().chain(records).map(|body| record::FRAME + body.encoded_len()).sum();
        let mut bytes = Vec::with_capacity(size);
        let mut seed = record::FIRST;
        for body in &self.noted {
            seed = record::frame(self.salt, seed, body, &mut bytes);
        }
        let mut spans = Vec::with_capacity(records.len());
        for body in records {
            let from = bytes.len();
            let sum = record::frame(self.salt, seed, body, &mut bytes);
            spans.push(Span { at: self.end + from as u64, len: (bytes.len() - from) as u32, seed });
            seed = sum;
        }
        let len = bytes.len();
        let noted = std::mem::take(&mut self.noted);
        if let Err(source) = self.fill(bytes) {
            self.take_back(noted);
            return Err(Error::Io { what: "write to", source });
        }
        Ok(Placed { file: self.file.clone(), len: len as u64, spans, noted })
    }

    /// Writes at the end, and makes the file longer where that is needed: by real zeros, since a hole would get its
    /// blocks with each record.
    fn fill(&mut self, mut bytes: Vec<u8>) -> io::Result<()> {
        let (len, end) = (bytes.len(), self.end + bytes.len() as u64);
        if end <= self.room {
            return self.file.write_all_at(&bytes, self.end);
        }
        let room = end.next_multiple_of(PIECE);
        bytes.resize((room - self.end) as usize, 0);
        if self.file.write_all_at(&bytes, self.end).is_ok() {
            self.room = room;
            return Ok(());
        }
        // What is left of the disk is for records, not for zeros.
        self.file.set_len(self.room)?;
        self.file.write_all_at(&bytes[..len], self.end)?;
        self.room = end;
        Ok(())
    }

    /// Half a record must not stand before the next one.
    fn take_back(&mut self, noted: Vec<Body>) {
        if self.file.set_len(self.end).is_ok() {
            self.room = self.end;
        }
        self.noted.splice(..0, noted);
    }

    fn reserve(&self) -> PathBuf {
        self.path.with_extension("reserve")
    }

    /// Makes sure that there is room for the outcome of what is accepted now.
    fn keep_reserve(&self) -> Result<(), Error> {
        let path = self.reserve();
        if fs::metadata(&path).is_ok_and(|facts| facts.len() >= RESERVE as u64) {
            return Ok(());
        }
        write_synced(&path, &vec![0; RESERVE]).map_err(|source| {
            let _ = fs::remove_file(&path);
            Error::Io { what: "reserve room for", source }
        })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if !self.noted.is_empty() {
            // Not synced: what is lost is acknowledged once more.
            let _ = self.put(&[]);
        }
    }
}

fn accepts(records: &[Body]) -> bool {
    records.iter().any(|body| matches!(body, Body::Accepted(_)))
}
