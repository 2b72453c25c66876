//! PostgreSQL: synchronous connections that live on threads of their own.
//!
//! Connections are not encrypted yet: use a loopback address, a private network or a local TLS proxy.

use std::{collections::HashMap, error::Error as _, time::Duration};

use postgres::{
    Client, NoTls, Statement,
    error::SqlState,
    fallible_iterator::FallibleIterator as _,
    types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};

use crate::{
    Error,
    tx::{Connection, Control},
    value::{Cell, Row, Value},
};

pub(crate) struct Pg {
    client: Client,
    statements: HashMap<&'static str, Statement>,
    open: bool,
}

impl Pg {
    /// Connects; gives up after five seconds.
    pub(crate) fn open(url: &str) -> Result<Self, Error> {
        let mut config: postgres::Config =
            url.parse().map_err(|_| Error::Address("postgres://…".to_owned()))?;
        config.connect_timeout(Duration::from_secs(5)).tcp_user_timeout(Duration::from_secs(20));
        if config.get_application_name().is_none() {
            config.application_name("quell");
        }
        if config.get_options().is_none() {
            config.options(
                "-c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s \
                 -c client_min_messages=warning",
            );
        }
        let client = config.connect(NoTls).map_err(|error| Error::Unavailable(describe(&error)))?;
        Ok(Self { client, statements: HashMap::new(), open: false })
    }

    fn statement(&mut self, sql: &'static str) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).map_err(class)?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(number) if *ty == Type::INT2 => i16::try_from(*number)?.to_sql(ty, out),
            Value::Int(number) if *ty == Type::INT4 => i32::try_from(*number)?.to_sql(ty, out),
            Value::Int(number) if *ty == Type::INT8 => number.to_sql(ty, out),
            // A NUL byte cannot be in a PostgreSQL text; it is refused here, so that the statement does not
            // cross the network to be refused there.
            Value::Text(text) if *ty == Type::TEXT && !text.contains('\0') => text.to_sql(ty, out),
            Value::Bytes(bytes) if *ty == Type::BYTEA => bytes.to_sql(ty, out),
            Value::Id(id) if *ty == Type::TEXT => {
                (&*id.hyphenated().encode_lower(&mut [0; 36])).to_sql(ty, out)
            }
            Value::Int(_) | Value::Text(_) | Value::Bytes(_) | Value::Id(_) => {
                Err(format!("a parameter does not fit type {ty}").into())
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl Connection for Pg {
    fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, Error> {
        let statement = self.statement(sql)?;
        let params: Vec<&(dyn ToSql + Sync)> =
            params.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        self.client.execute(&statement, &params).map_err(class)
    }

    fn query(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        each: &mut dyn FnMut(Row),
    ) -> Result<(), Error> {
        let statement = self.statement(sql)?;
        let types: Vec<Type> = statement.columns().iter().map(|column| column.type_().clone()).collect();
        let params = params.iter().map(|value| value as &(dyn ToSql + Sync));
        let mut rows = self.client.query_raw(&statement, params).map_err(class)?;
        while let Some(row) = rows.next().map_err(class)? {
            let mut cells = Vec::with_capacity(types.len());
            for (index, ty) in types.iter().enumerate() {
                cells.push(cell(&row, index, ty)?);
            }
            each(Row::new(cells));
        }
        Ok(())
    }

    fn batch(&mut self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).map_err(class)
    }

    fn prepare(&mut self, sql: &'static str) -> Result<(), Error> {
        self.client.prepare(sql).map(drop).map_err(class)
    }

    fn hold(&mut self, number: i64) -> Result<(), Error> {
        self.execute("SELECT pg_advisory_xact_lock($1)", &[Value::Int(number)]).map(drop)
    }

    /// Samples the table where it is four times what it was when it was sampled last.
    fn grew(&mut self, table: &'static str) -> Result<(), Error> {
        // The size is that of the file, rows of this transaction with it; tables of a few pages are let be.
        const OUTGROWN: &str = "SELECT 1 FROM pg_class WHERE oid = CAST(CAST($1 AS TEXT) AS REGCLASS) \
            AND pg_relation_size(oid) > 4 * 8192 * GREATEST(relpages, 2)";
        if self.execute(OUTGROWN, &[Value::Text(table)])? == 0 {
            return Ok(());
        }
        // Whoever samples it at the same time does it for both.
        self.batch(&format!("ANALYZE (SKIP_LOCKED) {table}"))
    }

    fn control(&mut self, step: Control) -> Result<(), Error> {
        let sql = match step {
            Control::BeginWrite => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Control::BeginRead => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Control::Commit => "COMMIT",
            Control::Rollback => "ROLLBACK",
            Control::Savepoint => "SAVEPOINT one",
            Control::Release => "RELEASE one",
            Control::RollbackToSavepoint => "ROLLBACK TO one",
        };
        let result = self.client.batch_execute(sql).map_err(class);
        match step {
            Control::BeginWrite | Control::BeginRead => self.open = result.is_ok(),
            Control::Commit | Control::Rollback => self.open = false,
            Control::Savepoint | Control::Release | Control::RollbackToSavepoint => {}
        }
        result
    }

    fn in_transaction(&self) -> bool {
        self.open && !self.client.is_closed()
    }

    fn is_lost(&self) -> bool {
        self.client.is_closed()
    }
}

fn cell(row: &postgres::Row, index: usize, ty: &Type) -> Result<Cell, Error> {
    fn whole<T: Into<i64>>(number: Option<T>) -> Cell {
        number.map_or(Cell::Null, |number| Cell::Int(number.into()))
    }
    let read = |error: postgres::Error| Error::Corrupt(describe(&error));
    if *ty == Type::INT8 {
        row.try_get::<_, Option<i64>>(index).map(whole).map_err(read)
    } else if *ty == Type::INT4 {
        row.try_get::<_, Option<i32>>(index).map(whole).map_err(read)
    } else if *ty == Type::INT2 {
        row.try_get::<_, Option<i16>>(index).map(whole).map_err(read)
    } else if *ty == Type::TEXT {
        row.try_get::<_, Option<String>>(index).map(|text| text.map_or(Cell::Null, Cell::Text)).map_err(read)
    } else if *ty == Type::BYTEA {
        row.try_get::<_, Option<Vec<u8>>>(index)
            .map(|bytes| bytes.map_or(Cell::Null, Cell::Bytes))
            .map_err(read)
    } else {
        Err(Error::Corrupt(format!("a column has type {ty}")))
    }
}

/// Sorts what PostgreSQL says into what a caller can do about it.
fn class(error: postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        return if error.is_closed()
            || error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
        {
            Error::Unavailable(describe(&error))
        } else {
            Error::Database(describe(&error))
        };
    };
    let code = db.code();
    let text = db.message().to_owned();
    if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE]
        .contains(code)
    {
        Error::Busy
    } else if *code == SqlState::UNIQUE_VIOLATION {
        Error::Conflict(db.table().unwrap_or("row").to_owned())
    } else if *code == SqlState::DISK_FULL {
        Error::Full
    } else {
        match code.code().get(..2) {
            Some("23" | "22") => Error::Invalid(text),
            Some("08" | "57" | "53") => Error::Unavailable(text),
            Some("XX") => Error::Corrupt(text),
            _ => Error::Database(text),
        }
    }
}

fn describe(error: &postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
