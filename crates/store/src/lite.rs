//! SQLite: one file, write-ahead log, every commit flushed to the disk before it is answered.

use std::{
    collections::HashMap, fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc,
    time::Duration,
};

use rusqlite::{
    ErrorCode, OpenFlags, Statement,
    config::DbConfig,
    ffi,
    types::{ToSqlOutput, ValueRef},
};

use crate::{
    Error,
    tx::{Connection, Control},
    value::{Cell, Row, Value},
};

/// Statements kept compiled per connection; more than the repositories have.
const CACHED_STATEMENTS: usize = 512;

pub(crate) struct Lite {
    inner: rusqlite::Connection,
    /// Statements with `$1` written as `?1`, by where their text lies in the program. SQLite numbers the
    /// former by first appearance, the latter by the digit.
    texts: HashMap<(usize, usize), Arc<str>>,
}

impl Lite {
    /// Opens for writing; makes the file, readable by its owner only, when there is none.
    pub(crate) fn open_writer(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        }
        let inner = rusqlite::Connection::open_with_flags(path, flags()).map_err(class)?;
        Self::prepare_connection(&inner)?;
        inner.pragma_update(None, "journal_mode", "WAL").map_err(class)?;
        inner.pragma_update(None, "synchronous", "FULL").map_err(class)?;
        inner.pragma_update(None, "foreign_keys", true).map_err(class)?;
        inner.pragma_update(None, "journal_size_limit", 64 << 20).map_err(class)?;
        // Pages, 32 MB: a page that many commits touch is copied to the database once.
        inner.pragma_update(None, "wal_autocheckpoint", 8192).map_err(class)?;
        Ok(Self { inner, texts: HashMap::new() })
    }

    /// Opens for reading only; a statement that would write is refused by SQLite itself.
    pub(crate) fn open_reader(path: &Path) -> Result<Self, Error> {
        let inner = rusqlite::Connection::open_with_flags(path, flags()).map_err(class)?;
        Self::prepare_connection(&inner)?;
        inner.pragma_update(None, "query_only", true).map_err(class)?;
        Ok(Self { inner, texts: HashMap::new() })
    }

    fn text(&mut self, sql: &'static str) -> Arc<str> {
        let text = self.texts.entry((sql.as_ptr().addr(), sql.len()));
        Arc::clone(text.or_insert_with(|| sql.replace('$', "?").into()))
    }

    fn prepare_connection(inner: &rusqlite::Connection) -> Result<(), Error> {
        inner.busy_timeout(Duration::from_secs(5)).map_err(class)?;
        // Plans that do not depend on the values bound: else SQLite (built with STAT4) compiles a statement again
        // for each new value that a partial index could hang on, however well it is kept prepared.
        inner.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(class)?;
        inner.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        inner.pragma_update(None, "cache_size", -32_768).map_err(class)?;
        inner.pragma_update(None, "temp_store", "MEMORY").map_err(class)
    }
}

/// Without SQLite's own mutexes: each connection belongs to one thread.
fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Int(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Value::Id(id) => ToSqlOutput::Owned(id.to_string().into()),
        })
    }
}

fn bind(statement: &mut Statement<'_>, params: &[Value<'_>]) -> Result<(), Error> {
    if statement.parameter_count() != params.len() {
        return Err(Error::Database(format!(
            "a statement takes {} parameters, {} were given",
            statement.parameter_count(),
            params.len()
        )));
    }
    for (index, value) in params.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value).map_err(class)?;
    }
    Ok(())
}

impl Connection for Lite {
    fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, Error> {
        let text = self.text(sql);
        let mut statement = self.inner.prepare_cached(&text).map_err(class)?;
        bind(&mut statement, params)?;
        statement.raw_execute().map(|changed| changed as u64).map_err(class)
    }

    fn query(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        each: &mut dyn FnMut(Row),
    ) -> Result<(), Error> {
        let text = self.text(sql);
        let mut statement = self.inner.prepare_cached(&text).map_err(class)?;
        bind(&mut statement, params)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().map_err(class)? {
            let mut cells = Vec::with_capacity(columns);
            for index in 0..columns {
                cells.push(cell(row.get_ref(index).map_err(class)?)?);
            }
            each(Row::new(cells));
        }
        Ok(())
    }

    fn batch(&mut self, sql: &str) -> Result<(), Error> {
        self.inner.execute_batch(sql).map_err(class)
    }

    fn prepare(&mut self, sql: &'static str) -> Result<(), Error> {
        let text = self.text(sql);
        self.inner.prepare(&text).map(drop).map_err(class)
    }

    fn hold(&mut self, _: i64) -> Result<(), Error> {
        Ok(())
    }

    /// Its plans rest on the indexes alone.
    fn grew(&mut self, _: &'static str) -> Result<(), Error> {
        Ok(())
    }

    fn control(&mut self, step: Control) -> Result<(), Error> {
        let sql = match step {
            // IMMEDIATE takes the write lock now: a lock that is taken at the first write may be refused
            // in the middle of a transaction, where waiting cannot help.
            Control::BeginWrite => "BEGIN IMMEDIATE",
            Control::BeginRead => "BEGIN",
            Control::Commit => "COMMIT",
            Control::Rollback => "ROLLBACK",
            Control::Savepoint => "SAVEPOINT one",
            Control::Release => "RELEASE one",
            Control::RollbackToSavepoint => "ROLLBACK TO one",
        };
        let mut statement = self.inner.prepare_cached(sql).map_err(class)?;
        statement.raw_execute().map(drop).map_err(class)
    }

    fn in_transaction(&self) -> bool {
        !self.inner.is_autocommit()
    }

    fn is_lost(&self) -> bool {
        false
    }
}

fn cell(value: ValueRef<'_>) -> Result<Cell, Error> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Cell::Text(text.to_owned()),
            Err(_) => return Err(Error::Corrupt("a text is not UTF-8".to_owned())),
        },
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
        ValueRef::Real(_) => return Err(Error::Corrupt("a number is not whole".to_owned())),
    })
}

/// Sorts what SQLite says into what a caller can do about it.
fn class(error: rusqlite::Error) -> Error {
    let rusqlite::Error::SqliteFailure(failure, message) = &error else {
        return Error::Database(error.to_string());
    };
    let text = message.clone().unwrap_or_else(|| error.to_string());
    match failure.code {
        ErrorCode::DiskFull => Error::Full,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Busy,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::Corrupt(text),
        ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly => Error::Unavailable(text),
        ErrorCode::ConstraintViolation
            if matches!(
                failure.extended_code,
                ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
            ) =>
        {
            Error::Conflict(table(&text))
        }
        ErrorCode::ConstraintViolation => Error::Invalid(text),
        _ => Error::Database(text),
    }
}

/// The table in "UNIQUE constraint failed: TABLE.COLUMN, …".
fn table(message: &str) -> String {
    let columns = message.rsplit(": ").next().unwrap_or(message);
    columns.split('.').next().unwrap_or(columns).to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_statement_stays_compiled() {
        assert!(crate::statements().count() < super::CACHED_STATEMENTS);
    }
}
