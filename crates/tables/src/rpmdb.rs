//! rpm's database in its form of today (rpm 4.16 and later): a table of SQLite whose rows are headers of packages. The one
//! reader of it, for tables and for the recorder.
//!
//! It locks nothing and writes nothing, not even beside the file: rpm must be able to go on. What rpm has committed but not
//! yet carried over from its log (`-wal`) is read too. While it carries over, a read may see half of that: then SQLite says
//! that the file is damaged, or an older row is found, and whoever looks again finds it whole.

mod header;

use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

pub use self::header::{File, Header, MD5, SHA256};

/// Where rpm keeps it: today's place, the older one, and the one of systems that are updated as a whole (ostree). They are
/// links to each other, or one alone is there.
const PLACES: &[&str] =
    &["usr/lib/sysimage/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite", "usr/share/rpm/rpmdb.sqlite"];
/// The database, and its log. Bytes.
const FILE: u64 = 2 << 30;
const LOG: u64 = 256 << 20;
/// A header of a package. Bytes.
const HEADER: i32 = 32 << 20;
/// Steps of SQLite's machine between two questions whether to stop.
const STEPS: i32 = 1000;
/// Rows that are no header never come into memory, however long they are.
const ALL: &str = "SELECT hnum, blob FROM Packages WHERE typeof(blob) = 'blob' AND length(blob) <= ?1";
const ONE: &str =
    "SELECT blob FROM Packages WHERE hnum = ?1 AND typeof(blob) = 'blob' AND length(blob) <= ?2";

/// Why it is not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no file that can be opened.
    #[error("it cannot be opened: {0}")]
    Open(#[from] io::Error),
    /// It is larger than any that rpm makes.
    #[error("it has {0} bytes, which is more than is read")]
    TooLarge(u64),
    /// SQLite does not read on.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// Where it lies below this root.
pub fn find(root: &Path) -> Option<PathBuf> {
    PLACES.iter().map(|place| root.join(place)).find(|path| path.is_file())
}

/// The log of what rpm has not carried over yet.
pub fn log(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}

/// An open database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
}

impl Database {
    /// Opens it for reading. `stop` is asked now and then whether reading is to end.
    pub fn open(path: &Path, stop: impl FnMut() -> bool + Send + 'static) -> Result<Self, Error> {
        // It is a file, and none of the agent's own.
        let size = crate::read::open(path)?.metadata()?.len();
        let log = std::fs::symlink_metadata(log(path)).ok().filter(std::fs::Metadata::is_file);
        let log = log.map_or(0, |facts| facts.len());
        if size > FILE || log > LOG {
            return Err(Error::TooLarge(size.max(log)));
        }
        // Without a log the file is all there is. With one, SQLite reads it as the only user of the file, by a way to the disk
        // that knows no locks: the index of the log is then made in memory, not beside the file.
        let (way, alone) = match log {
            0 => ("immutable=1", ""),
            _ => ("vfs=unix-none", "PRAGMA locking_mode = EXCLUSIVE;"),
        };
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection =
            Connection::open_with_flags(format!("file:{}?{way}&mode=ro", encoded(path)), flags)?;
        for (setting, on) in [
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
        ] {
            connection.set_db_config(setting, on)?;
        }
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, HEADER)?;
        connection.progress_handler(STEPS, Some(stop))?;
        // Each page is wanted once: a small cache does.
        connection.execute_batch(&format!("{alone} PRAGMA cache_size = -256;"))?;
        Ok(Self { connection })
    }

    /// Each package, with the number of its row. What was told before an error is true.
    pub fn each(&self, mut tell: impl FnMut(i64, &Header<'_>) -> ControlFlow<()>) -> Result<(), Error> {
        let mut statement = self.connection.prepare(ALL)?;
        let mut rows = statement.query([HEADER])?;
        while let Some(row) = rows.next()? {
            let blob = row.get_ref(1)?.as_blob().unwrap_or_default();
            if let Some(header) = Header::of(blob)
                && tell(row.get(0)?, &header).is_break()
            {
                break;
            }
        }
        Ok(())
    }

    /// What is wanted of the package of this row.
    pub fn one<T>(&self, row: i64, look: impl FnOnce(&Header<'_>) -> Option<T>) -> Result<Option<T>, Error> {
        let mut statement = self.connection.prepare(ONE)?;
        let found = statement.query_row([row, i64::from(HEADER)], |row| {
            let blob = row.get_ref(0)?.as_blob().unwrap_or_default();
            Ok(Header::of(blob).as_ref().and_then(look))
        });
        Ok(found.optional()?.flatten())
    }
}

fn encoded(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    path.as_os_str()
        .as_bytes()
        .iter()
        .map(|byte| if plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests;
