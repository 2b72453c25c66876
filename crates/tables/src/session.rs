//! One connection that answers `SELECT` and nothing else, within limits.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quell_host::vtab;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ErrorCode, Statement};

use crate::env::{Env, Stop};
use crate::relation::Live;
use crate::table::Kind;
use crate::{function, hint, list, statement};

/// A string, a blob or a row within SQLite. Bytes.
const LONGEST_VALUE: i32 = 16 << 20;
/// Columns of a result or a table.
const MOST_COLUMNS: i32 = 256;
/// A statement. Bytes.
pub(crate) const LONGEST_SQL: usize = 64 << 10;
/// Other limits of SQLite, beside its own defaults.
const LIMITS: &[(Limit, i32)] = &[
    (Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, LONGEST_SQL as i32),
    (Limit::SQLITE_LIMIT_COLUMN, MOST_COLUMNS),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 4096),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 0),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];
/// Instructions of SQLite's machine between two looks at the clock.
const LOOK_EVERY: i32 = 2000;
/// Functions that are of no use here, and might be of some to others.
const NO_FUNCTIONS: &[&str] = &["load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"];
/// Tables that are no tables of ours: SQLite's windows into itself.
const NO_TABLES: &[&str] =
    &["pragma_", "dbstat", "sqlite_dbpage", "fts", "bytecode", "tables_used", "sqlite_stmt"];
/// Rows that are kept back until every column's type is known.
const TYPED_BY: usize = 64;

/// Where a statement ends.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows of the result.
    pub rows: u64,
    /// Its time.
    pub time: Duration,
    /// SQLite's own memory, bytes. For the whole process, and never raised again: for a process of its own.
    pub heap: Option<u64>,
}

/// Why a statement has no result, or no more of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no valid SQL, or names what does not exist.
    #[error("{message}")]
    Sql {
        /// SQLite's words.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// It is something else than one `SELECT`.
    #[error("only one SELECT is answered: {0}")]
    Refused(String),
    /// A table that needs a term has none.
    #[error("the table `{table}` needs a condition on {columns}")]
    Unbounded {
        /// The table.
        table: String,
        /// The columns, each in backquotes.
        columns: String,
    },
    /// Its time is up.
    #[error("not done within the time limit")]
    Time,
    /// It was ended as asked.
    #[error("ended as asked")]
    Stopped,
    /// A value or a sort needs too much memory.
    #[error("it needs more memory than it may have: {0}")]
    Memory(String),
    /// This machine or this program cannot.
    #[error("the tables cannot be read: {0}")]
    Broken(String),
}

/// What a statement gives, in this order: columns once, then rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Taken<'a> {
    /// Names and types of the columns.
    Columns(&'a [(String, Kind)]),
    /// A row: a value for each column.
    Row(Vec<Value>),
}

/// How a statement went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Rows that were given.
    pub rows: u64,
    /// There were more than the limit.
    pub truncated: bool,
    /// How often something could not be read, and the first reasons.
    pub troubles: u64,
    /// In words, at most 16.
    pub warnings: Vec<String>,
}

/// A connection. Not for two statements at the same time.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    env: Arc<Env>,
    limits: Limits,
    /// Tables that the statement under way names.
    read: Arc<Mutex<BTreeSet<String>>>,
}

impl Session {
    /// With all tables, of this machine.
    pub fn open(env: Env, limits: Limits) -> Result<Self, Error> {
        let env = Arc::new(env);
        let read = Arc::default();
        let connection = prepare(&env, limits, &read).map_err(|error| Error::Broken(error.to_string()))?;
        Ok(Self { connection, env, limits, read })
    }

    /// Ends a statement from another thread.
    pub fn stop(&self) -> Arc<Stop> {
        self.env.stop.clone()
    }

    /// Answers one `SELECT`. What `take` answers with `Break` was enough: no more is given, and the end is a success.
    pub fn query(
        &self,
        sql: &str,
        take: &mut dyn FnMut(Taken<'_>) -> ControlFlow<()>,
    ) -> Result<Summary, Error> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.env.stop.within(self.limits.time);
        if sql.len() > LONGEST_SQL {
            return Err(Error::Refused(format!("it is longer than {LONGEST_SQL} bytes")));
        }
        let several = || Error::Refused("these are several statements".to_owned());
        let sql = statement::only(sql).ok_or_else(several)?;
        let mut statement = self.connection.prepare(sql).map_err(|error| self.explain(sql, &error))?;
        if !statement.readonly() || statement.column_count() == 0 || statement.is_explain() != 0 {
            return Err(Error::Refused("this is none".to_owned()));
        }
        let given = self.give(&mut statement, take);
        let (rows, truncated) = given.map_err(|error| self.explain(sql, &error))?;
        // Tables end early when time is up, and the statement with them.
        if self.env.stop.is_asked() {
            return Err(Error::Stopped);
        }
        if self.env.stop.is_late() {
            return Err(Error::Time);
        }
        let (troubles, warnings) = self.env.troubles();
        Ok(Summary { rows, truncated, troubles, warnings })
    }

    fn give(
        &self,
        statement: &mut Statement<'_>,
        take: &mut dyn FnMut(Taken<'_>) -> ControlFlow<()>,
    ) -> Result<(u64, bool), rusqlite::Error> {
        let mut header = Header::of(statement);
        let width = header.columns.len();
        let mut rows = statement.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            if count >= self.limits.rows {
                if header.open(take).is_break() {
                    return Ok((count, false));
                }
                return Ok((count, true));
            }
            count += 1;
            let values = (0..width).map(|at| row.get_ref(at).map(owned)).collect::<Result<Vec<_>, _>>()?;
            if header.take(values, take).is_break() {
                return Ok((count, false));
            }
        }
        let _ = header.open(take);
        Ok((count, false))
    }

    /// Puts SQLite's words into ours.
    fn explain(&self, sql: &str, error: &rusqlite::Error) -> Error {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            rusqlite::Error::MultipleStatement => Error::Refused("these are several statements".to_owned()),
            rusqlite::Error::SqliteFailure(failure, message) => {
                let message = message.clone().unwrap_or_else(|| failure.to_string());
                match failure.code {
                    ErrorCode::OperationInterrupted if self.env.stop.is_asked() => Error::Stopped,
                    ErrorCode::OperationInterrupted => Error::Time,
                    ErrorCode::OutOfMemory | ErrorCode::TooBig => Error::Memory(message),
                    ErrorCode::AuthorizationForStatementDenied => Error::Refused(message),
                    _ if is_denied(&message) => Error::Refused(message),
                    _ if message.contains("no query solution") => hint::unbounded(&read, message),
                    _ => Error::Sql { hint: hint::of(sql, &message), message },
                }
            }
            rusqlite::Error::SqlInputError { error, msg, .. } => match error.code {
                ErrorCode::AuthorizationForStatementDenied => Error::Refused(msg.clone()),
                _ if is_denied(msg) => Error::Refused(msg.clone()),
                _ if msg.contains("no query solution") => hint::unbounded(&read, msg.clone()),
                _ => Error::Sql { hint: hint::of(sql, msg), message: msg.clone() },
            },
            rusqlite::Error::InvalidQuery | rusqlite::Error::ExecuteReturnedResults => {
                Error::Refused("this is none".to_owned())
            }
            other => Error::Sql { message: other.to_string(), hint: None },
        }
    }
}

/// Some denials have no code of their own.
fn is_denied(message: &str) -> bool {
    ["not authorized", "prohibited"].iter().any(|word| message.contains(word))
}

fn prepare(
    env: &Arc<Env>,
    limits: Limits,
    read: &Arc<Mutex<BTreeSet<String>>>,
) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", -2000)?;
    if let Some(heap) = limits.heap {
        connection.query_row(&format!("PRAGMA hard_heap_limit={heap}"), [], |_| Ok(()))?;
    }
    for (config, on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        // A table may be named in double quotes, a text may not: a typing error must not become a text.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, true),
    ] {
        connection.set_db_config(config, on)?;
    }
    for (limit, value) in LIMITS {
        connection.set_limit(*limit, *value)?;
    }
    for table in list::ALL {
        let live = Live { table, env: env.clone() };
        vtab::register(&connection, table.name, Arc::new(live))?;
    }
    function::register(&connection)?;
    let stop = env.stop.clone();
    connection.progress_handler(LOOK_EVERY, Some(move || stop.is_due()))?;
    let read = read.clone();
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        if let AuthAction::Read { table_name, .. } = context.action {
            read.lock().unwrap_or_else(PoisonError::into_inner).insert(table_name.to_owned());
        }
        allow(&context.action)
    }))?;
    Ok(connection)
}

fn allow(action: &AuthAction<'_>) -> Authorization {
    let is_allowed = match action {
        AuthAction::Select | AuthAction::Recursive => true,
        AuthAction::Read { table_name, .. } => {
            !NO_TABLES.iter().any(|begin| table_name.to_ascii_lowercase().starts_with(begin))
        }
        AuthAction::Function { function_name } => {
            !NO_FUNCTIONS.iter().any(|name| name.eq_ignore_ascii_case(function_name))
        }
        _ => false,
    };
    if is_allowed { Authorization::Allow } else { Authorization::Deny }
}

fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// The columns, and the rows that wait until their types are known.
struct Header {
    columns: Vec<(String, Option<Kind>)>,
    waiting: Vec<Vec<Value>>,
    is_open: bool,
}

impl Header {
    fn of(statement: &Statement<'_>) -> Self {
        let mut taken = BTreeSet::new();
        let columns = statement.columns();
        let named = columns.map(|column| {
            let mut name = column.name().to_owned();
            // A row is an object, and two of its keys must not be the same.
            let mut number = 2;
            while !taken.insert(name.clone()) {
                name = format!("{}_{number}", column.name());
                number += 1;
            }
            (name, column.decl_type().and_then(declared))
        });
        Self { columns: named.collect(), waiting: Vec::new(), is_open: false }
    }

    fn take(
        &mut self,
        row: Vec<Value>,
        take: &mut dyn FnMut(Taken<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.is_open {
            return take(Taken::Row(row));
        }
        for ((_, kind), value) in self.columns.iter_mut().zip(&row) {
            let seen = match value {
                Value::Null => None,
                Value::Integer(_) => Some(Kind::BigInt),
                Value::Real(_) => Some(Kind::Double),
                Value::Text(_) => Some(Kind::Text),
                Value::Blob(_) => Some(Kind::Blob),
            };
            *kind = kind.or(seen);
        }
        self.waiting.push(row);
        if self.waiting.len() >= TYPED_BY || self.columns.iter().all(|(_, kind)| kind.is_some()) {
            return self.open(take);
        }
        ControlFlow::Continue(())
    }

    /// Tells the columns and what waited for them.
    fn open(&mut self, take: &mut dyn FnMut(Taken<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        if self.is_open {
            return ControlFlow::Continue(());
        }
        self.is_open = true;
        let columns: Vec<(String, Kind)> =
            self.columns.iter().map(|(name, kind)| (name.clone(), kind.unwrap_or(Kind::Text))).collect();
        take(Taken::Columns(&columns))?;
        self.waiting.drain(..).try_for_each(|row| take(Taken::Row(row)))
    }
}

fn declared(name: &str) -> Option<Kind> {
    match name {
        "TEXT" => Some(Kind::Text),
        "INTEGER" => Some(Kind::Integer),
        "BIGINT" => Some(Kind::BigInt),
        "DOUBLE" => Some(Kind::Double),
        _ => None,
    }
}
