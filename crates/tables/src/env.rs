//! What tables look at: where the file system begins, when to stop, and what could not be read.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quell_host::vtab::{Operator, Term};
use rusqlite::types::Value;
use rustix::time::{ClockId, clock_gettime};

use crate::table::{Column, Row, Table, WITHIN};

/// Reasons that are kept word for word; the rest is counted.
const TOLD: usize = 16;
/// Bytes of one.
const TOLD_BYTES: usize = 200;

/// When a statement ends, whatever it is doing.
#[derive(Debug, Default)]
pub struct Stop {
    asked: AtomicBool,
    deadline: Mutex<Option<Instant>>,
}

impl Stop {
    /// Ends the statement under way.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn within(&self, limit: Duration) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(limit);
    }

    pub(crate) fn is_late(&self) -> bool {
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    pub(crate) fn is_due(&self) -> bool {
        self.is_asked() || self.is_late()
    }
}

/// The machine as tables see it.
#[derive(Debug)]
pub struct Env {
    /// The top of the file system; another one in tests.
    root: PathBuf,
    pub(crate) stop: Arc<Stop>,
    troubles: AtomicU64,
    told: Mutex<Vec<String>>,
}

impl Default for Env {
    fn default() -> Self {
        Self::at("/")
    }
}

impl Env {
    /// With the file system that begins here.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), stop: Arc::default(), troubles: AtomicU64::new(0), told: Mutex::default() }
    }

    /// Counts what could not be read.
    pub(crate) fn trouble(&self, what: &str) {
        self.troubles.fetch_add(1, Ordering::Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < TOLD {
            let mut text: String = what.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
            text.truncate(text.floor_char_boundary(TOLD_BYTES));
            told.push(text);
        }
    }

    /// How often something could not be read since the last call, and the first reasons.
    pub(crate) fn troubles(&self) -> (u64, Vec<String>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        (self.troubles.swap(0, Ordering::Relaxed), std::mem::take(&mut told))
    }
}

/// One look at one table: what is asked, and of which machine.
#[derive(Clone)]
pub(crate) struct Scan {
    pub table: &'static Table,
    pub env: Arc<Env>,
    pub terms: Arc<Vec<Term>>,
    pub used: u64,
}

impl Scan {
    pub fn row(&self) -> Row {
        Row::of(self.table)
    }

    fn position(&self, name: &str) -> Option<usize> {
        let at = self.table.columns.iter().position(|column: &Column| column.name == name);
        debug_assert!(at.is_some(), "there is no column {name}");
        at
    }

    /// Whether the statement reads this column.
    pub fn wants(&self, name: &str) -> bool {
        self.position(name).is_some_and(|at| self.used >> at.min(63) & 1 == 1)
    }

    fn term(&self, name: &str, operator: Operator) -> Option<&Value> {
        let at = self.position(name)?;
        self.terms.iter().find(|term| term.column == at && term.operator == operator).map(|term| &term.value)
    }

    /// The whole number that the column must equal. What is no number equals none.
    #[expect(clippy::option_option, reason = "not asked for, and asked for by what is no number, differ")]
    pub fn number(&self, name: &str) -> Option<Option<i64>> {
        self.term(name, Operator::Equal).map(|value| match value {
            Value::Integer(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            Value::Real(number) if number.fract() == 0.0 => Some(*number as i64),
            _ => None,
        })
    }

    /// The text that the column must equal.
    pub fn text(&self, name: &str) -> Option<String> {
        self.term(name, Operator::Equal).map(as_text)
    }

    /// The pattern of `LIKE` that the column must match.
    pub fn like(&self, name: &str) -> Option<String> {
        self.term(name, Operator::Like).map(as_text)
    }

    /// Where the file system begins for this scan: another process's where the hidden column names one.
    pub fn root(&self) -> PathBuf {
        match self.within() {
            pid if pid > 0 => self.env.root.join(format!("proc/{pid}/root")),
            _ => self.env.root.clone(),
        }
    }

    /// The hidden column's own value.
    pub fn within(&self) -> i64 {
        let has = self.table.columns.iter().any(|column| column.name == WITHIN.name);
        has.then(|| self.number(WITHIN.name).flatten()).flatten().unwrap_or(0)
    }

    /// A file of this machine, whatever the scan's namespace.
    pub fn host(&self, path: &str) -> PathBuf {
        under(&self.env.root, Path::new(path))
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Null => String::new(),
    }
}

/// An absolute path, below a root.
pub(crate) fn under(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    clock_gettime(ClockId::Realtime).tv_sec
}
