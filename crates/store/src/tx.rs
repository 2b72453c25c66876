//! The transaction that repository functions are given, and the interface that a database backend fills.

use uuid::Uuid;

use crate::{
    Error,
    value::{Param, Row, Value},
};

/// One connection to one database. Private: repositories see only [`Tx`].
pub(crate) trait Connection: Send {
    fn execute(&mut self, sql: &'static str, params: &[Value<'_>]) -> Result<u64, Error>;
    fn query(
        &mut self,
        sql: &'static str,
        params: &[Value<'_>],
        each: &mut dyn FnMut(Row),
    ) -> Result<(), Error>;
    /// Statements without parameters; not cached.
    fn batch(&mut self, sql: &str) -> Result<(), Error>;
    /// Compiles a statement and throws it away.
    fn prepare(&mut self, sql: &'static str) -> Result<(), Error>;
    /// Waits until no other transaction holds this number, and holds it to the end of this one.
    fn hold(&mut self, number: i64) -> Result<(), Error>;
    /// A table has many more rows than a moment ago: see [`Tx::grew`].
    fn grew(&mut self, table: &'static str) -> Result<(), Error>;
    fn control(&mut self, step: Control) -> Result<(), Error>;
    /// Whether the transaction that was begun is still open and may still be committed.
    fn in_transaction(&self) -> bool;
    /// Whether the connection is beyond use and has to be made anew.
    fn is_lost(&self) -> bool;
}

/// The steps of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    BeginWrite,
    BeginRead,
    Commit,
    Rollback,
    Savepoint,
    Release,
    RollbackToSavepoint,
}

/// A transaction. Statements are `'static`, so that no text from outside can become part of one.
///
/// A statement that fails spoils the closure: whatever the closure then answers, its changes are rolled
/// back. (PostgreSQL works so by nature; on SQLite it is made so, so that one code means one thing.)
pub struct Tx<'a> {
    connection: &'a mut dyn Connection,
    /// A statement failed.
    pub(crate) spoiled: Option<Error>,
    /// A statement changed something, or may have.
    pub(crate) changed: bool,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(connection: &'a mut dyn Connection) -> Self {
        Self { connection, spoiled: None, changed: false }
    }

    /// Runs a statement and tells how many rows it changed.
    pub fn execute(&mut self, sql: &'static str, params: &[&dyn Param]) -> Result<u64, Error> {
        let result = self.connection.execute(sql, &bind(params));
        let rows = self.note(result)?;
        self.changed |= rows > 0;
        Ok(rows)
    }

    /// Runs a statement and maps every row that it answers.
    pub fn query<T>(
        &mut self,
        sql: &'static str,
        params: &[&dyn Param],
        map: impl Fn(Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut rows = Vec::new();
        let result = self.connection.query(sql, &bind(params), &mut |row| rows.push(map(row)));
        self.note(result)?;
        self.changed |= may_change(sql, !rows.is_empty());
        rows.into_iter().collect()
    }

    /// Runs a statement that answers one row or none.
    pub fn query_opt<T>(
        &mut self,
        sql: &'static str,
        params: &[&dyn Param],
        map: impl Fn(Row) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut found = None;
        let result = self.connection.query(sql, &bind(params), &mut |row| {
            if found.is_none() {
                found = Some(map(row));
            }
        });
        self.note(result)?;
        self.changed |= may_change(sql, found.is_some());
        found.transpose()
    }

    /// Lets transactions that act on the same thing go one after another, for a decision that rests on more
    /// rows than it changes. On SQLite all write transactions do.
    pub fn serialise(&mut self, tenant: Uuid, id: Uuid) -> Result<(), Error> {
        // The lower halves of both ids are random; a chance meeting of two costs a wait, nothing else.
        let number = tenant.as_u64_pair().1.rotate_left(1) ^ id.as_u64_pair().1;
        let result = self.connection.hold(number.cast_signed());
        self.note(result)
    }

    /// To be called after many rows were written at once. PostgreSQL knows nothing of them for a minute or more, and until
    /// then takes a statement that names hundreds of rows by their keys for one that had better read all of its tenant's.
    pub(crate) fn grew(&mut self, table: &'static str) -> Result<(), Error> {
        let result = self.connection.grew(table);
        self.note(result)
    }

    /// Compiles a statement without running it.
    pub fn prepare(&mut self, sql: &'static str) -> Result<(), Error> {
        let result = self.connection.prepare(sql);
        self.note(result)
    }

    /// Runs a statement that changes exactly one row; `otherwise` is the answer when it changed none.
    pub(crate) fn change(
        &mut self,
        sql: &'static str,
        params: &[&dyn Param],
        otherwise: Error,
    ) -> Result<(), Error> {
        if self.execute(sql, params)? == 0 { Err(otherwise) } else { Ok(()) }
    }

    fn note<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        result.inspect_err(|error| self.spoiled = Some(error.again()))
    }
}

/// Whether a statement that answers rows may have changed some: an UPDATE that says which it changed, and says none, did
/// not. One that failed is told apart from this: it spoils the closure.
fn may_change(sql: &str, answered: bool) -> bool {
    !sql.starts_with("SELECT") && (answered || !sql.contains("RETURNING"))
}

fn bind<'p>(params: &'p [&'p dyn Param]) -> Vec<Value<'p>> {
    params.iter().map(|param| param.value()).collect()
}

/// Declares the statements of one repository, and the list of them that tests walk over.
macro_rules! sql {
    ($($name:ident = $text:expr;)*) => {
        $(const $name: &str = $text;)*
        /// Every statement of this module, by name.
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use sql;
