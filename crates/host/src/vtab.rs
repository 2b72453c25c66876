//! Tables of SQLite that are not stored but looked up when they are asked for.
//!
//! SQLite's interface for them is one of C, and what implements it makes a promise about memory that the compiler
//! cannot check. That promise stands here, and nothing else does: what a table holds is its [`Relation`]'s matter.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::types::{Value, ValueRef};
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection, VTabCursor,
    sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Error, Result};

/// A row: a value for each column, in their order. Missing ones at the end are null.
pub type Row = Vec<Value>;
/// Rows, made one by one while they are read. An error ends the statement.
pub type Rows = Box<dyn Iterator<Item = std::result::Result<Row, String>>>;

/// What a table holds and how it is found.
pub trait Relation: Send + Sync {
    /// `CREATE TABLE name(...)`, with the columns in the order of the rows' values.
    fn declaration(&self) -> String;

    /// Which of the terms the scan wants to be told, and what that costs. `None`: with no more than these terms the
    /// table cannot be read.
    fn plan(&self, offered: &[Offer]) -> Option<Plan>;

    /// The rows that fit the terms, or more: SQLite looks at each again.
    fn scan(&self, ask: Ask) -> Rows;
}

/// How a column is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=` or `IN`, one value at a time.
    Equal,
    /// `LIKE`.
    Like,
}

/// A term of the condition that a scan could be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Number of the column.
    pub column: usize,
    /// How it is compared.
    pub operator: Operator,
}

/// A way to read the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Positions, within the offer, of the terms that are wanted.
    pub wanted: Vec<usize>,
    /// What a scan costs, beside other tables of the statement.
    pub cost: f64,
    /// About how many rows it gives.
    pub rows: i64,
}

/// A term with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Number of the column.
    pub column: usize,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub value: Value,
}

/// One scan.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The wanted terms.
    pub terms: Vec<Term>,
    /// A bit for each column that the statement reads; the highest stands for all from the 64th on.
    pub used: u64,
}

/// Makes the table known to the connection under this name.
pub fn register(connection: &Connection, name: &str, relation: Arc<dyn Relation>) -> Result<()> {
    const MODULE: &Module<'static, Sheet> = &Module::eponymous_only_module();
    connection.create_module(name, MODULE, Some(relation))
}

#[repr(C)]
struct Sheet {
    base: sqlite3_vtab,
    relation: Arc<dyn Relation>,
}

// SAFETY: SQLite takes a pointer to this for one to a `sqlite3_vtab`: the struct has C's layout and that is its first
// field, which is checked below. Nothing else is promised; memory and errors are handled by the caller of the trait.
unsafe impl VTab<'_> for Sheet {
    type Aux = Arc<dyn Relation>;
    type Cursor = Reader;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let relation = aux.ok_or_else(|| failed("a table without content"))?.clone();
        db.config(VTabConfig::DirectOnly)?;
        let declaration = CString::new(relation.declaration())?;
        Ok((Cow::Owned(declaration), Self { base: sqlite3_vtab::default(), relation }))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        let mut offered = Vec::new();
        let mut at = Vec::new();
        for (index, constraint) in info.constraints().enumerate() {
            let operator = match constraint.operator() {
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ => Operator::Equal,
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LIKE => Operator::Like,
                _ => continue,
            };
            if let (true, Ok(column)) = (constraint.is_usable(), usize::try_from(constraint.column())) {
                offered.push(Offer { column, operator });
                at.push(index);
            }
        }
        let Some(plan) = self.relation.plan(&offered) else { return Ok(false) };
        let mut told = info.col_used().to_string();
        let mut argument = 0;
        for wanted in plan.wanted {
            let (Some(offer), Some(at)) = (offered.get(wanted), at.get(wanted)) else { continue };
            argument += 1;
            info.constraint_usage(*at).set_argv_index(argument);
            let operator = match offer.operator {
                Operator::Equal => '=',
                Operator::Like => '~',
            };
            let _ = write!(told, " {}{operator}", offer.column);
        }
        info.set_idx_str(&told);
        info.set_estimated_cost(plan.cost);
        info.set_estimated_rows(plan.rows);
        Ok(true)
    }

    fn open(&mut self) -> Result<Reader> {
        let base = sqlite3_vtab_cursor::default();
        Ok(Reader {
            base,
            relation: self.relation.clone(),
            rows: Box::new(std::iter::empty()),
            row: None,
            number: 0,
        })
    }
}

#[repr(C)]
struct Reader {
    base: sqlite3_vtab_cursor,
    relation: Arc<dyn Relation>,
    rows: Rows,
    row: Option<Row>,
    number: i64,
}

const _: () = {
    assert!(std::mem::offset_of!(Sheet, base) == 0, "SQLite reads it there");
    assert!(std::mem::offset_of!(Reader, base) == 0, "SQLite reads it there");
};

// SAFETY: as for `Sheet`, with `sqlite3_vtab_cursor`.
unsafe impl VTabCursor for Reader {
    fn filter(&mut self, _: c_int, told: Option<&str>, args: &Filters<'_>) -> Result<()> {
        let ask =
            asked(told.unwrap_or_default(), args).ok_or_else(|| failed("a plan that is none of ours"))?;
        self.number = 0;
        self.row = None;
        let relation = &self.relation;
        self.rows = guarded(|| Ok(relation.scan(ask)))?;
        self.next()
    }

    fn next(&mut self) -> Result<()> {
        let rows = &mut self.rows;
        self.row = guarded(|| rows.next().transpose())?;
        self.number += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.row.is_none()
    }

    fn column(&self, context: &mut Context, index: c_int) -> Result<()> {
        let value = usize::try_from(index).ok().and_then(|index| self.row.as_ref()?.get(index));
        context.set_result(value.unwrap_or(&Value::Null))
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.number)
    }
}

fn asked(told: &str, args: &Filters<'_>) -> Option<Ask> {
    let mut words = told.split(' ');
    let used = words.next()?.parse().ok()?;
    let mut terms = Vec::new();
    for (word, value) in words.zip(args.iter()) {
        let (column, operator) = match word.strip_suffix('=') {
            Some(column) => (column, Operator::Equal),
            None => (word.strip_suffix('~')?, Operator::Like),
        };
        let value = match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        };
        terms.push(Term { column: column.parse().ok()?, operator, value });
    }
    Some(Ask { terms, used })
}

/// A panic must not unwind into C: it becomes an error of the statement.
fn guarded<T>(work: impl FnOnce() -> std::result::Result<T, String>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err("reading the table went wrong within".to_owned()))
        .map_err(|why| failed(&why))
}

fn failed(why: &str) -> Error {
    Error::ModuleError(why.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use super::*;

    /// Squares: `n` must be known, or all below 10 are given.
    struct Squares;

    impl Relation for Squares {
        fn declaration(&self) -> String {
            "CREATE TABLE squares(n INTEGER, square INTEGER, note TEXT)".to_owned()
        }

        fn plan(&self, offered: &[Offer]) -> Option<Plan> {
            let wanted: Vec<usize> = (0..offered.len()).filter(|at| offered[*at].column == 0).collect();
            let cost = if wanted.is_empty() { 1000.0 } else { 1.0 };
            Some(Plan { wanted, cost, rows: 10 })
        }

        fn scan(&self, ask: Ask) -> Rows {
            assert!(ask.terms.len() < 2, "a panic that must stay here");
            let numbers = match ask.terms.first().map(|term| &term.value) {
                Some(Value::Integer(n)) => *n..*n + 1,
                _ => 0..10,
            };
            let broken = |n: i64| {
                if n == 13 { Err("13 is never read".to_owned()) } else { Ok(vec![n.into(), (n * n).into()]) }
            };
            Box::new(numbers.map(broken))
        }
    }

    fn connection() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection, "squares", Arc::new(Squares)).unwrap();
        connection
    }

    fn numbers(sql: &str) -> Vec<i64> {
        let connection = connection();
        let mut statement = connection.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(|row| row.unwrap_or_else(|error| panic!("{sql}: {error}"))).collect()
    }

    #[test]
    fn rows_are_looked_up_by_what_the_statement_knows() {
        assert_eq!(numbers("SELECT square FROM squares WHERE n = 100"), [10_000]);
        assert_eq!(numbers("SELECT square FROM squares WHERE n IN (3, 100)"), [9, 10_000]);
        assert_eq!(numbers("SELECT count(*) FROM squares WHERE note IS NULL"), [10]);
        let joined = "SELECT b.square FROM squares a JOIN squares b ON b.n = a.square WHERE a.n = 9";
        assert_eq!(numbers(joined), [6561]);
    }

    #[test]
    fn errors_and_panics_end_the_statement_alone() {
        let connection = connection();
        let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let error = one("SELECT square FROM squares WHERE n = 13").unwrap_err().to_string();
        assert!(error.contains("13 is never read"), "{error}");
        assert!(one("SELECT square FROM squares WHERE n = 1 AND n LIKE 'x'").is_err());
        assert_eq!(one("SELECT square FROM squares WHERE n = 4").unwrap(), 16);
    }
}
