//! The ring: what was recorded, on the disk of the endpoint, within bounds of size and age. Also what waits for the server,
//! and the chains that are open, since all that must agree.
//!
//! One connection of one thread writes. Commits are not synced one by one: a power cut may cost the last seconds, never the
//! file. A file that cannot be read is begun anew; numbers of activity events go on from the clock, so that none comes twice.

mod age;
mod find;
mod post;

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use prost::Message;
use quell_wire::activity::{Activity, Process, ProcessKey};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};

pub use age::Age;
use age::FUTURE;
pub use find::{Ask, Found, Wanted, lineage, newest};
pub use post::{KeptChain, Letter};

/// In the state directory.
pub const FILE: &str = "flight.db";
/// Of this shape; another one is begun anew.
const SHAPE: i64 = 2;
/// Rows that are forgotten at once.
const STEP: u32 = 2000;
/// Pages that are given back at once.
const PAGES: u32 = 512;

const SCHEMA: &str = "
CREATE TABLE boot (id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE);
CREATE TABLE process (
    boot INTEGER NOT NULL, pid INTEGER NOT NULL, start INTEGER NOT NULL, parent_pid INTEGER, parent_start INTEGER,
    ended INTEGER NOT NULL, touched INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (boot, pid, start));
CREATE INDEX process_parent ON process (boot, parent_pid, parent_start);
CREATE TABLE activity (
    id INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, boot INTEGER NOT NULL, pid INTEGER NOT NULL, start INTEGER NOT NULL,
    kind INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX activity_process ON activity (boot, pid, start, id);
CREATE TABLE chain (id TEXT PRIMARY KEY, boot INTEGER NOT NULL, serial INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE member (
    chain TEXT NOT NULL, pid INTEGER NOT NULL, start INTEGER NOT NULL, reach INTEGER NOT NULL,
    PRIMARY KEY (chain, pid, start)) WITHOUT ROWID;
CREATE TABLE outgoing (
    number INTEGER PRIMARY KEY AUTOINCREMENT, chain TEXT NOT NULL, serial INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (chain, serial));
";

/// Why the ring cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk, or the file.
    #[error("the flight recorder's ring cannot be read or written")]
    Sql(#[from] rusqlite::Error),
    /// A row that is none of ours.
    #[error("a row of the flight recorder's ring cannot be understood")]
    Row(#[from] prost::DecodeError),
}

impl Error {
    /// The file is damaged, rather than the disk full or busy.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Row(_) => true,
            Self::Sql(rusqlite::Error::SqliteFailure(error, _)) => {
                matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            }
            // A column that holds something else than it was given.
            Self::Sql(error) => matches!(
                error,
                rusqlite::Error::FromSqlConversionFailure(..)
                    | rusqlite::Error::IntegralValueOutOfRange(..)
                    | rusqlite::Error::InvalidColumnType(..)
            ),
        }
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub bytes: u64,
    pub age_s: u64,
}

/// What is written together.
#[derive(Debug, Default)]
pub struct Batch {
    pub processes: Vec<Process>,
    pub activities: Vec<Activity>,
}

/// The open file.
#[derive(Debug)]
pub struct Ring {
    connection: Connection,
    path: PathBuf,
    /// Row of this boot.
    boot: i64,
    /// The largest number of an activity event that was written. By it, and not by a clock that may be set, is told whether
    /// anything of a process is left.
    last: i64,
}

fn open(path: &Path) -> Result<Connection, Error> {
    // Private also where somebody loosens the directory; what SQLite lays beside it is made alike. Where this fails, opening
    // fails too.
    let _ = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    // Small pieces of the file in memory, and no mapping: a page that cannot be read is an error, not a signal.
    connection.execute_batch(
        "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         PRAGMA cache_size = -256; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 256;
         PRAGMA journal_size_limit = 1048576; PRAGMA trusted_schema = OFF;",
    )?;
    Ok(connection)
}

/// A connection that reads only, for who looks something up beside.
pub fn reader(path: &Path) -> Result<Connection, Error> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    connection.execute_batch("PRAGMA cache_size = -256; PRAGMA mmap_size = 0;")?;
    Ok(connection)
}

impl Ring {
    /// Opens it, or begins it. Also tells whether what was there had to be given up.
    pub fn open(directory: &Path, boot_id: &str) -> Result<(Self, bool), Error> {
        let path = directory.join(FILE);
        match Self::try_open(&path, boot_id) {
            Ok(ring) => Ok((ring, false)),
            Err(error) if error.is_damage() => {
                give_up(&path);
                Ok((Self::try_open(&path, boot_id)?, true))
            }
            Err(error) => Err(error),
        }
    }

    /// Begins it anew, after damage was met.
    pub fn renew(self, boot_id: &str) -> Result<Self, Error> {
        let path = self.path.clone();
        drop(self);
        give_up(&path);
        Self::try_open(&path, boot_id)
    }

    fn try_open(path: &Path, boot_id: &str) -> Result<Self, Error> {
        let mut connection = open(path)?;
        let shape: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if shape != SHAPE && tables > 0 {
            drop(connection);
            give_up(path);
            connection = open(path)?;
        }
        if shape != SHAPE || tables == 0 {
            let making = connection.transaction()?;
            making.execute_batch(SCHEMA)?;
            making.pragma_update(None, "user_version", SHAPE)?;
            making.commit()?;
        }
        connection.execute("INSERT OR IGNORE INTO boot (boot_id) VALUES (?1)", [boot_id])?;
        let boot =
            connection.query_row("SELECT id FROM boot WHERE boot_id = ?1", [boot_id], |row| row.get(0))?;
        let last =
            connection.query_row("SELECT max(id) FROM activity", [], |row| row.get::<_, Option<i64>>(0))?;
        connection.set_prepared_statement_cache_capacity(24);
        Ok(Self { connection, path: path.to_owned(), boot, last: last.unwrap_or(0) })
    }

    /// A number from which activity events may go on: beyond all that were written, and beyond those that were told and never
    /// written, since nobody makes a million of them in a second.
    pub fn next_id(&self, now_us: i64) -> u64 {
        self.last.saturating_add(1).max(now_us).max(1).unsigned_abs()
    }

    /// Writes; what is there already under the same key is replaced.
    pub fn write(&mut self, batch: &Batch) -> Result<(), Error> {
        let boot = self.boot;
        let last = batch.activities.iter().map(|activity| number(activity.id)).fold(self.last, i64::max);
        let writing = self.connection.transaction()?;
        write_processes(&writing, boot, &batch.processes, last)?;
        {
            let mut insert = writing.prepare_cached(
                "INSERT INTO activity (id, at_us, boot, pid, start, kind, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            )?;
            for activity in &batch.activities {
                let kind = activity.deed.as_ref().map_or(0, super::item::kind);
                let ProcessKey { pid, start } = activity.process;
                let body = activity.encode_to_vec();
                insert.execute(params![
                    number(activity.id),
                    activity.at_us,
                    boot,
                    pid,
                    number(start),
                    kind,
                    body
                ])?;
            }
        }
        writing.commit()?;
        self.last = last;
        Ok(())
    }

    /// Bytes that are in use, and in all.
    pub fn size(&self) -> Result<(u64, u64), Error> {
        let pragma = |name: &str| -> Result<u64, Error> {
            let value: i64 = self.connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))?;
            Ok(value.unsigned_abs())
        };
        let (pages, free) = (pragma("page_count")?, pragma("freelist_count")?);
        Ok((pages.saturating_sub(free) * 4096, pages * 4096))
    }

    /// Time of the oldest activity event.
    pub fn oldest_us(&self) -> Result<Option<i64>, Error> {
        let sql = "SELECT at_us FROM activity ORDER BY id LIMIT 1";
        Ok(self.connection.query_row(sql, [], |row| row.get(0)).optional()?)
    }

    /// Forgets one step of what is beyond the bounds, the oldest first. Whether more is to be forgotten.
    pub fn trim(&mut self, bounds: Bounds, now_us: i64) -> Result<bool, Error> {
        let (used, whole) = self.size()?;
        let age_us = i64::try_from(bounds.age_s).unwrap_or(i64::MAX).saturating_mul(1_000_000);
        let cutoff = now_us.saturating_sub(age_us);
        let oldest = self.oldest_us()?;
        let is_large = used > bounds.bytes;
        if oldest.is_some_and(|oldest| oldest > now_us.saturating_add(FUTURE)) {
            return self.date(now_us);
        }
        if !is_large && oldest.is_none_or(|oldest| oldest >= cutoff) {
            // Most of the file is empty: it is made smaller.
            if whole.saturating_sub(used) > (bounds.bytes / 8).max(1 << 20) {
                // It gives a page back with each step.
                let mut vacuum = self.connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
                let mut steps = vacuum.query([])?;
                while steps.next()?.is_some() {}
                drop(steps);
                drop(vacuum);
                return Ok(self.size()?.1 < whole);
            }
            return Ok(false);
        }
        let boot = self.boot;
        let trimming = self.connection.transaction()?;
        let gone = if is_large {
            trimming
                .prepare_cached(
                    "DELETE FROM activity WHERE id IN (SELECT id FROM activity ORDER BY id LIMIT ?1)",
                )?
                .execute([STEP])?
        } else {
            // By the clock of their moment, which may have been set since: what is older than it is, in the order of numbers.
            trimming.prepare_cached(
                "DELETE FROM activity WHERE id IN (SELECT id FROM activity ORDER BY id LIMIT ?1) AND at_us < ?2",
            )?.execute(params![STEP, cutoff])?
        };
        // Processes that ended, and of which nothing is left to tell.
        let left: Option<i64> = trimming.query_row("SELECT min(id) FROM activity", [], |row| row.get(0))?;
        let processes = trimming
            .prepare_cached(
                "DELETE FROM process WHERE rowid IN (SELECT rowid FROM process
                 WHERE (ended = 1 OR boot <> ?1) AND touched < ?2 AND NOT EXISTS (SELECT 1 FROM activity AS done
                 WHERE done.boot = process.boot AND done.pid = process.pid AND done.start = process.start)
                 ORDER BY rowid LIMIT ?3)",
            )?
            .execute(params![boot, left.unwrap_or(i64::MAX), STEP])?;
        trimming.commit()?;
        Ok(gone > 0 || processes > 0)
    }

    /// Events of a clock that was ahead are as old as now: else they would stay for as long as it was ahead, and all that came
    /// after them. What they say themselves is left as it is.
    fn date(&mut self, now_us: i64) -> Result<bool, Error> {
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE activity SET at_us = ?2 WHERE id IN (SELECT id FROM activity ORDER BY id LIMIT ?1)
                 AND at_us > ?2",
            )?
            .execute(params![STEP, now_us])?;
        Ok(changed > 0)
    }

    fn transaction(&mut self) -> Result<Transaction<'_>, Error> {
        Ok(self.connection.transaction()?)
    }
}

fn write_processes(
    writing: &Transaction<'_>,
    boot: i64,
    processes: &[Process],
    last: i64,
) -> Result<(), Error> {
    let mut insert = writing.prepare_cached(
        "INSERT INTO process (boot, pid, start, parent_pid, parent_start, ended, touched, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (boot, pid, start) DO UPDATE SET parent_pid = excluded.parent_pid, parent_start = excluded.parent_start,
         ended = excluded.ended, touched = excluded.touched, body = excluded.body",
    )?;
    for process in processes {
        insert.execute(params![
            boot,
            process.key.pid,
            number(process.key.start),
            process.parent.map(|parent| parent.pid),
            process.parent.map(|parent| number(parent.start)),
            i32::from(process.ended_at_us > 0),
            last,
            process.encode_to_vec(),
        ])?;
    }
    Ok(())
}

fn give_up(path: &Path) {
    for tail in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(tail);
        if let Err(error) = std::fs::remove_file(&name)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a damaged file of the flight recorder stays");
        }
    }
}

/// As the database takes it. Numbers beyond are refused by the protocol.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
