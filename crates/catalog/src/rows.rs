//! Rows: what an action answers that finds many things (query results, rule matches, verdicts, processes).
//!
//! A row is a JSON object with the named columns. A few rows stand in the outcome itself; where there are more, all of
//! them are also uploaded while the action runs, in parts: gzip of JSON lines, each an artifact of kind `rows.N` with
//! `N` counted from 0. So rows can be read, filtered and merged by the server before the action has ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::action::{Observed, Verdict};

/// Bytes of JSON of the rows that stand in an outcome at most.
pub const SHOWN_BYTES: usize = 192 << 10;
/// Parts of one order at most.
pub const MOST_PARTS: usize = 1000;
/// Bytes of one row's JSON at most; a longer one is cut by whoever makes it.
pub const ROW_BYTES: usize = 64 << 10;
/// Columns at most.
pub const MOST_COLUMNS: usize = 256;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Real,
    /// Bytes, as lower-case hex.
    Blob,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name: the key in each row.
    pub name: String,
    /// What it holds; a value may be null in any case.
    #[serde(rename = "type")]
    pub kind: ColumnType,
}

impl Column {
    /// A column.
    pub fn new(name: impl Into<String>, kind: ColumnType) -> Self {
        Self { name: name.into(), kind }
    }
}

/// An uploaded part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The artifact under which the server keeps it.
    pub artifact_id: String,
    /// Rows in it.
    pub rows: u64,
    /// Bytes, compressed.
    pub size: u64,
    /// SHA-256 of the compressed bytes, taken on the endpoint, lower-case hex.
    pub sha256: String,
}

/// Rows as an outcome holds them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// Columns, in the order in which they are shown.
    pub columns: Vec<Column>,
    /// Rows in all.
    pub count: u64,
    /// The first of them, at most 192 KiB of JSON.
    pub shown: Vec<Map<String, Value>>,
    /// All of them, where they are more than `shown`; empty otherwise.
    pub parts: Vec<Part>,
    /// There were more, beyond a limit of the request or of the endpoint.
    pub truncated: bool,
}

impl Rows {
    /// Whether the server holds every row that the outcome counts; says what is missing otherwise.
    pub fn received(&self, observed: &Observed) -> Result<(), Verdict> {
        let in_parts: u64 = self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.rows));
        let here = if self.parts.is_empty() { self.shown.len() as u64 } else { in_parts };
        if here != self.count {
            return Err(Verdict::unverified(
                "rows_missing",
                format!("{} rows were counted and {here} were sent", self.count),
            ));
        }
        for part in &self.parts {
            let held = observed.artifacts.iter().any(|stored| {
                stored.id == part.artifact_id && stored.sha256 == part.sha256 && stored.size == part.size
            });
            if !held {
                return Err(Verdict::unverified(
                    "rows_missing",
                    format!("the server holds no complete part {} of the rows", part.artifact_id),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::StoredArtifact;

    fn part(rows: u64) -> Part {
        Part { artifact_id: "a".to_owned(), rows, size: 9, sha256: "ab".to_owned() }
    }

    #[test]
    fn rows_count_only_when_they_are_here() {
        let mut rows = Rows { count: 3, parts: vec![part(3)], ..Rows::default() };
        assert!(rows.received(&Observed::default()).is_err());
        let stored = StoredArtifact { id: "a".to_owned(), size: 9, sha256: "ab".to_owned() };
        let observed = Observed { artifacts: vec![stored] };
        assert_eq!(rows.received(&observed), Ok(()));
        rows.count = 4;
        assert!(rows.received(&observed).is_err(), "one row was lost on the way");
        rows.parts.clear();
        rows.shown = vec![Map::new(); 4];
        assert_eq!(rows.received(&Observed::default()), Ok(()));
    }
}
