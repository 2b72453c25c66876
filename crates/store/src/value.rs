//! Parameters and rows: the few types that both databases hold alike.

use uuid::Uuid;

use crate::Error;

/// A parameter as the databases take it.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// BIGINT and SMALLINT.
    Int(i64),
    /// TEXT.
    Text(&'a str),
    /// BYTEA.
    Bytes(&'a [u8]),
    /// TEXT, in the hyphenated lower-case form.
    Id(Uuid),
}

/// What may be given to a statement.
pub trait Param {
    /// The value to bind.
    fn value(&self) -> Value<'_>;
}

impl Param for i64 {
    fn value(&self) -> Value<'_> {
        Value::Int(*self)
    }
}
impl Param for bool {
    fn value(&self) -> Value<'_> {
        Value::Int(i64::from(*self))
    }
}
impl Param for str {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}
impl Param for String {
    fn value(&self) -> Value<'_> {
        Value::Text(self)
    }
}
impl Param for [u8] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}
impl Param for Vec<u8> {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}
impl<const N: usize> Param for [u8; N] {
    fn value(&self) -> Value<'_> {
        Value::Bytes(self)
    }
}
impl Param for Uuid {
    fn value(&self) -> Value<'_> {
        Value::Id(*self)
    }
}
impl<T: Param + ?Sized> Param for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}
impl<T: Param> Param for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Param::value)
    }
}

/// One column of a row that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A type that a cell can be turned into.
pub trait FromCell: Sized {
    /// Takes the cell, or gives it back when it is of another kind.
    fn from_cell(cell: Cell) -> Result<Self, Cell>;
}

impl FromCell for i64 {
    fn from_cell(cell: Cell) -> Result<Self, Cell> {
        match cell {
            Cell::Int(number) => Ok(number),
            other => Err(other),
        }
    }
}
impl FromCell for bool {
    fn from_cell(cell: Cell) -> Result<Self, Cell> {
        i64::from_cell(cell).map(|number| number != 0)
    }
}
impl FromCell for String {
    fn from_cell(cell: Cell) -> Result<Self, Cell> {
        match cell {
            Cell::Text(text) => Ok(text),
            other => Err(other),
        }
    }
}
impl FromCell for Vec<u8> {
    fn from_cell(cell: Cell) -> Result<Self, Cell> {
        match cell {
            Cell::Bytes(bytes) => Ok(bytes),
            other => Err(other),
        }
    }
}
impl<const N: usize> FromCell for [u8; N] {
    fn from_cell(cell: Cell) -> Result<Self, Cell> {
        match cell {
            Cell::Bytes(bytes) => bytes.try_into().map_err(Cell::Bytes),
            other => Err(other),
        }
    }
}
impl FromCell for Uuid {
    fn from_cell(cell: Cell) -> Result<Self, Cell> {
        match cell {
            Cell::Text(text) => text.parse().map_err(|_| Cell::Text(text)),
            other => Err(other),
        }
    }
}
impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell) -> Result<Self, Cell> {
        match cell {
            Cell::Null => Ok(None),
            other => T::from_cell(other).map(Some),
        }
    }
}

/// A row, read column by column from the left, in the order of the statement's select list.
///
/// Columns are taken, not looked up by name: a struct literal in column order reads one row without
/// an index anywhere, and moves texts instead of copying them.
#[derive(Debug)]
pub struct Row {
    cells: std::vec::IntoIter<Cell>,
    taken: usize,
}

impl Row {
    /// A row of these cells.
    pub(crate) fn new(cells: Vec<Cell>) -> Self {
        Self { cells: cells.into_iter(), taken: 0 }
    }

    /// The next column.
    pub fn take<T: FromCell>(&mut self) -> Result<T, Error> {
        self.taken += 1;
        let cell =
            self.cells.next().ok_or_else(|| Error::Corrupt(format!("column {} is missing", self.taken)))?;
        T::from_cell(cell).map_err(|_| Error::Corrupt(format!("column {} is of another type", self.taken)))
    }
}
