//! Rows that actions found, read from what agents sent: parts are unpacked as they are read, never a whole set at once.
//!
//! Everything here comes from endpoints and is hostile: a part may be a bomb, no gzip, no JSON, or hold a row that never
//! ends. What cannot be read is left out and said; it is never the caller's error.

pub(crate) mod looks;
pub(crate) mod merge;
mod outcome;
pub(crate) mod part;

use serde_json::{Map, Value};

/// A row: its keys are names of columns.
pub(crate) type Row = Map<String, Value>;

/// What a value takes in memory beside its text, about. Bytes.
const VALUE: usize = 96;
/// What a row takes that has any value, about: a node of a map has room for eleven. Bytes.
const NODE: usize = 640;

/// What a row takes in memory or as JSON, whichever is more; about. Bytes.
pub(crate) fn weight(row: &Row) -> usize {
    let text = |text: &str| -> usize {
        let bytes = text.bytes().map(|byte| match byte {
            0..0x20 => 6,
            b'"' | b'\\' => 2,
            _ => 1,
        });
        bytes.sum()
    };
    let texts: usize = row.iter().map(|(name, value)| text(name) + value.as_str().map_or(0, text)).sum();
    let held = if row.is_empty() { 0 } else { NODE.max(VALUE * row.len()) };
    held + texts
}

/// A value as text: what filters compare, and what stands in a cell.
pub(crate) fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
