//! How results look: a table for people, JSON for programs.

mod csv;
pub mod moment;
pub mod progress;
pub mod prompt;
pub mod table;
pub mod terminal;
pub mod text;

use clap::ValueEnum;
use serde_json::Value;

use crate::failure::Failure;
use crate::output::table::Column;

/// The form of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Lists as a table for spreadsheets (RFC 4180); anything else as for people.
    Csv,
}

impl Format {
    /// Whether a person reads it as it stands.
    pub const fn is_for_people(self) -> bool {
        matches!(self, Self::Table | Self::Csv)
    }
}

/// Shows a list.
pub fn list(format: Format, items: &[Value], columns: &[Column]) -> Result<(), Failure> {
    match format {
        Format::Table => terminal::say(&table::render(items, columns, terminal::coloured())),
        Format::Json => say_json(&Value::Array(items.to_vec()), true),
        Format::Jsonl => items.iter().try_for_each(|item| say_json(item, false)),
        Format::Csv => terminal::say(&csv::render(items, columns)),
    }
}

/// Shows rows whose columns are not known beforehand: `items` for programs, `cells` of each for people.
pub fn rows(
    format: Format,
    items: &[Value],
    headings: &[String],
    cells: impl Fn(&Value) -> Vec<String>,
) -> Result<(), Failure> {
    match format {
        Format::Json | Format::Jsonl => list(format, items, &[]),
        Format::Table if items.is_empty() => terminal::say("nothing to show"),
        Format::Table => {
            let rows: Vec<Vec<String>> = items.iter().map(cells).collect();
            terminal::say(&table::aligned(headings, &rows, false))
        }
        Format::Csv => {
            let rows: Vec<Vec<String>> = items.iter().map(cells).collect();
            terminal::say(&csv::lines(headings, &rows))
        }
    }
}

/// Shows one object: `lines` for people, the object itself for programs.
pub fn one(format: Format, value: &Value, lines: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
    match format {
        Format::Table | Format::Csv => terminal::say(&lines(value)),
        Format::Json => say_json(value, true),
        Format::Jsonl => say_json(value, false),
    }
}

/// Writes one JSON document that is safe to read on a terminal.
pub fn say_json(value: &Value, pretty: bool) -> Result<(), Failure> {
    let json = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    terminal::say(&text::plain_json(&json.map_err(|error| Failure::new(error.to_string()))?))
}
