//! What the agent has been told and what became of it: written down and synced *before* anything is done,
//! so that an order is carried out at most once whatever dies and whenever.
//!
//! Append-only records in one file, which is made longer by a piece at a time and filled in place: a record then
//! changes neither the file's size nor where its blocks are, and to sync it is to write its block, not the inode
//! too. A torn tail (the agent died while writing, or the power went before every block was on the disk) is cut.
//! Damage before the tail is never cut silently: the file is kept aside, what is readable is taken over, and orders
//! from before that moment that the journal does not know are not carried out, since they may have been. A file that is
//! not there is damage too: an agent has had one since it was enrolled.

mod compact;
mod ledger;
pub mod record;
mod replay;
mod write;

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use ledger::Ledger;
use quell_wire::{SignedOutcome, limits};
use record::Body;

use crate::random;

/// Its name in the state directory.
pub const FILE: &str = "journal";
/// An id is remembered this long after its order's window ended: twice the skew allowed, and a day.
const REMEMBER_US: i64 = 2 * limits::CLOCK_SKEW_US + 24 * 3600 * 1_000_000;
/// The file is rewritten when it is larger than this and twice what it was after the last time. Bytes.
const COMPACT_AT: u64 = 4 << 20;
/// No order is accepted beyond this size. Bytes.
const FULL_AT: u64 = 256 << 20;
/// No order is accepted beyond this many remembered ids.
const MOST_IDS: usize = 500_000;

/// Why something could not be written down or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk said no.
    #[error("cannot {what} the journal")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Too many orders wait to be acknowledged.
    #[error("the journal is full: the server has not acknowledged what it holds")]
    Full,
    /// No randomness for its salt.
    #[error(transparent)]
    Random(#[from] random::NoRandomness),
}

impl Error {
    fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    fn is_full_disk(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Written down, not begun.
    Accepted,
    /// Begun this many times, first at this time (microseconds since 1970).
    Started {
        /// Attempts so far.
        attempts: u32,
        /// When the first began.
        first_us: i64,
    },
    /// Ended; the outcome is kept for the server.
    Finished,
    /// The server holds the outcome.
    Acknowledged,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    at: u64,
    len: u32,
    /// CRC of the record before it in the same write, without which it cannot be read.
    seed: u32,
}

/// What is known of one order.
#[derive(Clone, Debug)]
pub struct Entry {
    /// SHA-256 of its signed bytes.
    pub order_sha256: Vec<u8>,
    /// How far it is.
    pub stage: Stage,
    not_after_us: i64,
    accepted: Option<Span>,
    finished: Option<Span>,
}

/// What was found when the journal was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Bytes of a torn tail that were cut.
    pub torn: u64,
    /// Where the damaged file was kept.
    pub damaged: Option<PathBuf>,
    /// There was none, though this agent has had one since it was enrolled.
    pub missing: bool,
}

/// The journal. Synchronous; [`Ledger`] is its face for async callers.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Arc<File>,
    /// The file has its name, and it is not known whether that is on the disk.
    adrift: bool,
    salt: [u8; 8],
    end: u64,
    /// Where the file ends; from `end` to here it holds zeros.
    room: u64,
    /// Acknowledgements that wait for the next write.
    noted: Vec<Body>,
    compacted: u64,
    entries: HashMap<String, Entry>,
    damaged_us: Option<i64>,
}

impl Journal {
    /// Makes it for an agent that is enrolled. One that is there stays.
    pub fn create(path: &Path) -> Result<(), Error> {
        if !path.try_exists().map_err(Error::io("look for"))? {
            compact::create(path, &[])?;
        }
        Ok(())
    }

    /// Opens the one of an enrolled agent.
    pub fn open(path: &Path, now_us: i64) -> Result<(Self, Recovered), Error> {
        let missing = !path.try_exists().map_err(Error::io("look for"))?;
        if missing {
            compact::create(path, &[Body::Damaged(record::Damaged { at_us: now_us })])?;
        }
        let (found, recovered) = replay::open(path, now_us)?;
        let recovered = Recovered { missing, ..recovered };
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open"))?;
        // An agent that died left a write that was never synced: it must be on the disk before the next one is.
        file.sync_data().map_err(Error::io("sync"))?;
        let mut journal = Self {
            path: path.to_owned(),
            file: Arc::new(file),
            // It may have died between a file's new name and the sync of that, too.
            adrift: true,
            salt: found.salt,
            end: found.end,
            room: found.room,
            noted: Vec::new(),
            compacted: found.end.min(COMPACT_AT),
            entries: HashMap::new(),
            damaged_us: None,
        };
        journal.moor()?;
        for (body, span) in found.records {
            journal.index(&body, span);
        }
        Ok((journal, recovered))
    }

    /// What is known of an order.
    pub fn entry(&self, order_id: &str) -> Option<&Entry> {
        self.entries.get(order_id)
    }

    /// An unknown order whose window begins before this may have been carried out already.
    pub fn damaged_us(&self) -> Option<i64> {
        self.damaged_us
    }

    /// Orders that have not ended, as they were accepted, with their stage.
    pub fn unfinished(&mut self) -> Result<Vec<(record::Accepted, Stage)>, Error> {
        let spans: Vec<_> = self
            .entries
            .values()
            .filter(|entry| matches!(entry.stage, Stage::Accepted | Stage::Started { .. }))
            .filter_map(|entry| Some((entry.accepted?, entry.stage)))
            .collect();
        let mut orders = Vec::with_capacity(spans.len());
        for (span, stage) in spans {
            if let Body::Accepted(accepted) = self.read(span)? {
                orders.push((accepted, stage));
            }
        }
        Ok(orders)
    }

    /// Ids of orders that have not ended.
    pub fn open_ids(&self) -> HashSet<String> {
        let open =
            self.entries.iter().filter(|(_, e)| matches!(e.stage, Stage::Accepted | Stage::Started { .. }));
        open.map(|(id, _)| id.clone()).collect()
    }

    /// Ids of orders that the server has not acknowledged.
    pub fn held(&self) -> Vec<String> {
        let held = self.entries.iter().filter(|(_, entry)| entry.stage != Stage::Acknowledged);
        held.map(|(id, _)| id.clone()).collect()
    }

    /// Ids of orders whose outcome the server has not acknowledged.
    pub fn unacknowledged(&self) -> Vec<String> {
        let kept = self.entries.iter().filter(|(_, entry)| entry.stage == Stage::Finished);
        kept.map(|(id, _)| id.clone()).collect()
    }

    /// Whether the outcome of an order is still kept.
    pub fn has_outcome(&self, order_id: &str) -> bool {
        self.entries.get(order_id).is_some_and(|entry| entry.finished.is_some())
    }

    /// The outcome of an order, where it is still kept.
    pub fn outcome(&mut self, order_id: &str) -> Result<Option<SignedOutcome>, Error> {
        let Some(span) = self.entries.get(order_id).and_then(|entry| entry.finished) else { return Ok(None) };
        match self.read(span)? {
            Body::Finished(finished) => {
                Ok(Some(SignedOutcome { outcome: finished.outcome, signature: finished.signature }))
            }
            _ => Ok(None),
        }
    }

    fn index(&mut self, body: &Body, span: Span) {
        match body {
            Body::Accepted(accepted) => {
                let entry = Entry {
                    order_sha256: accepted.order_sha256.clone(),
                    stage: Stage::Accepted,
                    not_after_us: accepted.not_after_us,
                    accepted: Some(span),
                    finished: None,
                };
                self.entries.entry(accepted.order_id.clone()).or_insert(entry);
            }
            Body::Started(started) => {
                if let Some(entry) = self.entries.get_mut(&started.order_id)
                    && matches!(entry.stage, Stage::Accepted | Stage::Started { .. })
                {
                    let first_us = match entry.stage {
                        Stage::Started { first_us, .. } => first_us,
                        Stage::Accepted | Stage::Finished | Stage::Acknowledged => started.at_us,
                    };
                    entry.stage = Stage::Started { attempts: started.attempt, first_us };
                }
            }
            Body::Finished(finished) => {
                if let Some(entry) = self.entries.get_mut(&finished.order_id)
                    && entry.stage != Stage::Acknowledged
                {
                    entry.stage = Stage::Finished;
                    entry.finished = Some(span);
                }
            }
            Body::Acknowledged(acknowledged) => {
                if let Some(entry) = self.entries.get_mut(&acknowledged.order_id) {
                    entry.stage = Stage::Acknowledged;
                    entry.accepted = None;
                }
            }
            Body::Spent(spent) => {
                let entry = Entry {
                    order_sha256: spent.order_sha256.clone(),
                    stage: Stage::Acknowledged,
                    not_after_us: spent.not_after_us,
                    accepted: None,
                    finished: None,
                };
                self.entries.insert(spent.order_id.clone(), entry);
            }
            Body::Damaged(damaged) => self.damaged_us = Some(damaged.at_us),
        }
    }

    fn read(&self, span: Span) -> Result<Body, Error> {
        let mut bytes = vec![0; span.len as usize];
        self.file.read_exact_at(&mut bytes, span.at).map_err(Error::io("read"))?;
        let found = record::read(self.salt, span.seed, &bytes);
        let (body, _) = found.ok_or_else(|| Error::io("read")(io::ErrorKind::InvalidData.into()))?;
        Ok(body)
    }

    /// Bytes of its records, with the file's header.
    pub fn size(&self) -> u64 {
        self.end
    }
}

#[cfg(test)]
mod tests;
