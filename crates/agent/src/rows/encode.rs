//! From rows to parts: one line of JSON each, gzip, a new part where one is large or old enough. Runs on a thread of
//! its own.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use quell_catalog::rows::{Column, MOST_PARTS, Part, ROW_BYTES, Rows, SHOWN_BYTES};
use quell_wire::digest::sha256;
use serde_json::Value;
use tokio::sync::mpsc;

use super::{Limits, Row, Shared};

/// A part is closed at this size. Bytes, compressed.
const PART: usize = 1 << 20;
/// Later parts are larger, so that the bound of parts is no bound of rows. Bytes, compressed.
const LATER_PART: usize = 4 << 20;
/// Parts of the first size.
const SMALL_PARTS: usize = 64;
/// The first row of an unfinished part waits no longer than this, at first.
const AGE: Duration = Duration::from_secs(2);
/// The age doubles after so many parts: an action of hours must not use all its parts for a few rows each.
const SAME_AGE: usize = 64;
/// Doublings of it at most: 2 s to 2 min.
const DOUBLINGS: usize = 6;
/// The longest text of a row that is too long is halved until the row fits. Bytes.
const LONGEST_TEXT: usize = ROW_BYTES / 2;

/// What the encoder is given.
#[derive(Debug)]
pub(super) enum Item {
    Row(Row),
    /// In place of those that were named at the start.
    Columns(Vec<Column>),
    /// Look at the age.
    Tick,
    /// That was all.
    End,
}

/// A part that lies on the disk.
#[derive(Debug)]
pub(super) struct Ready {
    pub number: usize,
    pub path: PathBuf,
    pub rows: u64,
    pub size: u64,
    pub sha256: [u8; 32],
}

/// What remains to be said once all is encoded.
#[derive(Debug)]
pub(super) struct Encoded {
    columns: Vec<Column>,
    shown: Vec<Row>,
    count: u64,
    truncated: bool,
}

impl Encoded {
    pub(super) fn rows(self, parts: Vec<Part>) -> Rows {
        let Self { columns, shown, count, truncated } = self;
        Rows { columns, count, shown, parts, truncated }
    }
}

pub(super) struct Encoder {
    directory: PathBuf,
    columns: Vec<Column>,
    limits: Limits,
    shared: Arc<Shared>,
    parts: mpsc::Sender<Ready>,
    open: Option<Open>,
    /// Number of the next part.
    next: usize,
    shown: Vec<Row>,
    shown_bytes: usize,
    /// Every row so far is shown.
    all_shown: bool,
    count: u64,
    bytes: u64,
}

/// A part that is being made.
struct Open {
    gzip: GzEncoder<Vec<u8>>,
    rows: u64,
    since: Instant,
}

/// No more is wanted: whoever sends the parts has given up.
struct Stopped;

enum Halt {
    Stopped,
    Disk(io::Error),
}

impl From<Stopped> for Halt {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl Encoder {
    pub(super) fn new(
        directory: &Path,
        columns: Vec<Column>,
        limits: Limits,
        shared: Arc<Shared>,
        parts: mpsc::Sender<Ready>,
    ) -> Self {
        Self {
            directory: directory.to_owned(),
            columns,
            limits,
            shared,
            parts,
            open: None,
            next: 0,
            shown: Vec::new(),
            shown_bytes: 0,
            all_shown: true,
            count: 0,
            bytes: 0,
        }
    }

    /// Until the end is told. An end that is not told is the end of an order that wants no rows.
    pub(super) fn run(mut self, mut items: mpsc::Receiver<Item>) -> io::Result<Encoded> {
        loop {
            let done = match items.blocking_recv() {
                Some(Item::Row(row)) => self.take(row),
                Some(Item::Columns(columns)) => {
                    self.columns = columns;
                    Ok(())
                }
                Some(Item::Tick) => self.look(),
                Some(Item::End) => {
                    if let Err(Halt::Disk(error)) = self.last() {
                        return Err(error);
                    }
                    break;
                }
                None => break,
            };
            match done {
                Ok(()) => {}
                Err(Halt::Stopped) => break,
                Err(Halt::Disk(error)) => return Err(error),
            }
        }
        // Who pushed one more than fits was told so, and had more.
        let truncated = self.shared.pushed.load(Ordering::Relaxed) > self.count;
        Ok(Encoded { columns: self.columns, shown: self.shown, count: self.count, truncated })
    }

    fn take(&mut self, mut row: Row) -> Result<(), Halt> {
        if self.count >= self.shared.most.load(Ordering::Relaxed) {
            return Ok(());
        }
        let columns = &self.columns;
        row.retain(|name, _| columns.iter().any(|column| column.name == *name));
        let line = line(&mut row)?;
        let is_last_part = self.next + 1 >= MOST_PARTS && self.is_large();
        if self.bytes + line.len() as u64 > self.limits.bytes || is_last_part {
            self.shared.most.store(self.count, Ordering::Relaxed);
            return Ok(());
        }
        let open = self.open.get_or_insert_with(|| Open {
            gzip: GzEncoder::new(Vec::new(), Compression::fast()),
            rows: 0,
            since: Instant::now(),
        });
        open.gzip.write_all(&line)?;
        open.rows += 1;
        self.bytes += line.len() as u64;
        self.count += 1;
        self.show(row, line.len());
        if self.is_large() && self.next + 1 < MOST_PARTS {
            return self.close();
        }
        // A busy queue leaves no room for ticks.
        if self.count.is_multiple_of(super::QUEUE as u64) { self.look() } else { Ok(()) }
    }

    fn show(&mut self, row: Row, bytes: usize) {
        if self.all_shown && self.shown_bytes + bytes <= SHOWN_BYTES {
            self.shown_bytes += bytes;
            self.shown.push(row);
        } else {
            self.all_shown = false;
        }
    }

    fn is_large(&self) -> bool {
        let limit = if self.next < SMALL_PARTS { PART } else { LATER_PART };
        self.open.as_ref().is_some_and(|open| open.gzip.get_ref().len() >= limit)
    }

    /// Closes a part that is old enough.
    fn look(&mut self) -> Result<(), Halt> {
        let age = AGE * (1 << (self.next / SAME_AGE).min(DOUBLINGS));
        let is_old = self.open.as_ref().is_some_and(|open| open.since.elapsed() >= age);
        // The last tenth is kept for parts that are full.
        if is_old && self.next < MOST_PARTS - MOST_PARTS / 10 { self.close() } else { Ok(()) }
    }

    fn last(&mut self) -> Result<(), Halt> {
        // Where no part was sent and all is shown, the outcome holds everything.
        if self.next == 0 && self.all_shown { Ok(()) } else { self.close() }
    }

    fn close(&mut self) -> Result<(), Halt> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let bytes = open.gzip.finish()?;
        let path = self.directory.join(format!("rows.{}.gz", self.next));
        // Not synced: after a crash all parts are made anew.
        fs::write(&path, &bytes)?;
        let ready = Ready {
            number: self.next,
            path,
            rows: open.rows,
            size: bytes.len() as u64,
            sha256: sha256(&[&bytes]),
        };
        drop(bytes);
        self.next += 1;
        self.parts.blocking_send(ready).map_err(|_| Stopped)?;
        Ok(())
    }
}

/// The row as a line of JSON, its longest texts cut where it is too long.
fn line(row: &mut Row) -> io::Result<Vec<u8>> {
    let mut longest = LONGEST_TEXT;
    loop {
        let mut line = serde_json::to_vec(row)?;
        if line.len() < ROW_BYTES {
            line.push(b'\n');
            return Ok(line);
        }
        if longest == 0 {
            // Names alone are too long. Nobody declares such columns.
            row.clear();
        }
        for value in row.values_mut() {
            match value {
                Value::String(text) => cut(text, longest),
                Value::Array(_) | Value::Object(_) => *value = Value::Null,
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        longest /= 2;
    }
}

/// Leaves at most so many bytes, with a mark where some went.
pub(super) fn cut(text: &mut String, most: usize) {
    const MARK: &str = "…";
    if text.len() <= most {
        return;
    }
    text.truncate(text.floor_char_boundary(most.saturating_sub(MARK.len())));
    text.push_str(MARK);
}
