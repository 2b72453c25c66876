//! What a table is: names, types, and how its rows are found.

use rusqlite::types::Value;

use crate::env::Scan;

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name, as in osquery.
    pub name: &'static str,
    /// What a row is, in a sentence.
    pub about: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
    /// Finds its rows.
    pub(crate) rows: fn(&Scan) -> Rows,
}

/// Rows, made while they are read.
pub(crate) type Rows = Box<dyn Iterator<Item = Row>>;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name, as in osquery.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// A term on it narrows what is looked at.
    pub index: bool,
    /// Of the columns marked so, a statement must give one: `=`, `IN` or `LIKE`.
    pub required: bool,
    /// Not part of `SELECT *`.
    pub hidden: bool,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    BigInt,
    /// A number.
    Double,
    /// Bytes. No table has such a column, an expression may.
    Blob,
}

impl Kind {
    /// The type in SQL.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Integer => "INTEGER",
            Self::BigInt => "BIGINT",
            Self::Double => "DOUBLE",
            Self::Blob => "BLOB",
        }
    }
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, index: false, required: false, hidden: false }
}

pub(crate) const fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}

pub(crate) const fn int(name: &'static str) -> Column {
    column(name, Kind::Integer)
}

pub(crate) const fn big(name: &'static str) -> Column {
    column(name, Kind::BigInt)
}

impl Column {
    pub(crate) const fn index(mut self) -> Self {
        self.index = true;
        self
    }

    pub(crate) const fn required(mut self) -> Self {
        self.index = true;
        self.required = true;
        self
    }

    pub(crate) const fn hidden(mut self) -> Self {
        self.index = true;
        self.hidden = true;
        self
    }
}

/// The namespace in which a table's files are looked up: that of this process, for none.
pub(crate) const WITHIN: Column = int("pid_with_namespace").hidden();

/// One row. What is not set is null.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    columns: &'static [Named],
    pub(crate) values: Vec<Value>,
}

type Named = Column;

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Row {
    pub(crate) fn of(table: &Table) -> Self {
        Self { columns: table.columns, values: vec![Value::Null; table.columns.len()] }
    }

    /// Sets a column. A name that the table does not have is a mistake of ours, which tests find.
    #[must_use]
    pub(crate) fn set(mut self, name: &str, value: impl Into<Cell>) -> Self {
        self.put(name, value);
        self
    }

    pub(crate) fn put(&mut self, name: &str, value: impl Into<Cell>) {
        let at = self.columns.iter().position(|column| column.name == name);
        debug_assert!(at.is_some(), "there is no column {name}");
        if let Some(slot) = at.and_then(|at| self.values.get_mut(at)) {
            *slot = value.into().0;
        }
    }
}

/// What a column is set to.
pub(crate) struct Cell(pub Value);

/// Text of a cell at most. Bytes.
const LONGEST: usize = 256 << 10;

impl From<String> for Cell {
    fn from(mut text: String) -> Self {
        if text.len() > LONGEST {
            text.truncate(text.floor_char_boundary(LONGEST));
        }
        Self(Value::Text(text))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<std::borrow::Cow<'_, str>> for Cell {
    fn from(text: std::borrow::Cow<'_, str>) -> Self {
        text.into_owned().into()
    }
}

impl From<&[u8]> for Cell {
    fn from(bytes: &[u8]) -> Self {
        String::from_utf8_lossy(bytes).into()
    }
}

impl From<&std::path::Path> for Cell {
    fn from(path: &std::path::Path) -> Self {
        path.to_string_lossy().into()
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self(Value::Integer(number))
    }
}

impl From<i32> for Cell {
    fn from(number: i32) -> Self {
        i64::from(number).into()
    }
}

impl From<u32> for Cell {
    fn from(number: u32) -> Self {
        i64::from(number).into()
    }
}

impl From<u64> for Cell {
    /// SQLite has no larger numbers.
    fn from(number: u64) -> Self {
        i64::try_from(number).unwrap_or(i64::MAX).into()
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        (number as u64).into()
    }
}

impl From<bool> for Cell {
    fn from(yes: bool) -> Self {
        i64::from(yes).into()
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self(Value::Null), Into::into)
    }
}
