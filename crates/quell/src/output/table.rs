//! Tables of JSON objects, aligned by the width that a terminal gives each character.

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::output::text;

/// The most characters of one cell; the whole is in the JSON.
const CELL: usize = 72;

/// A column: its heading, and what it shows of an object.
pub struct Column {
    /// The heading.
    pub heading: &'static str,
    /// The text of a cell; made safe afterwards.
    pub cell: fn(&Value) -> String,
}

/// The table, without a final line end.
pub fn render(items: &[Value], columns: &[Column], coloured: bool) -> String {
    if items.is_empty() {
        return "nothing to show".to_owned();
    }
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|c| (c.cell)(item)).collect()).collect();
    let headings: Vec<String> = columns.iter().map(|column| column.heading.to_owned()).collect();
    aligned(&headings, &rows, coloured)
}

/// Rows whose columns are not known beforehand, each with as many cells as there are headings; made safe here.
pub fn aligned(headings: &[String], rows: &[Vec<String>], coloured: bool) -> String {
    let safe = |row: &Vec<String>| -> Vec<String> { row.iter().map(|text| cell(text)).collect() };
    let headings = safe(&headings.to_vec());
    let rows: Vec<Vec<String>> = rows.iter().map(safe).collect();
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(at, heading)| {
            rows.iter().map(|row| row[at].width()).chain([heading.width()]).max().unwrap_or(0)
        })
        .collect();
    let mut lines = vec![line(&headings, &widths, false)];
    lines.extend(rows.iter().map(|row| line(row, &widths, coloured)));
    lines.join("\n")
}

fn cell(text: &str) -> String {
    let text = text::shortened(&text::visible(text), CELL);
    if text.is_empty() { "-".to_owned() } else { text }
}

fn line(cells: &[String], widths: &[usize], coloured: bool) -> String {
    let mut line = String::new();
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if at > 0 {
            line.push_str("  ");
        }
        line.push_str(&if coloured { tint(cell) } else { cell.clone() });
        if at + 1 < cells.len() {
            line.push_str(&" ".repeat(width.saturating_sub(cell.width())));
        }
    }
    line
}

/// A state in its colour; any other text as it is.
pub fn tint(state: &str) -> String {
    let colour = match state {
        "succeeded" | "active" | "online" | "stored" => 32,
        "failed" | "rejected" | "refused" | "expired" | "revoked" => 31,
        "indeterminate" | "canceled" | "partial" | "isolated" => 33,
        "queued" | "dispatched" | "running" | "verifying" | "pending_approval" => 36,
        _ => return state.to_owned(),
    };
    format!("\u{1b}[{colour}m{state}\u{1b}[0m")
}

/// A text field of an object, by JSON pointer; numbers and truth values as they are written, nothing for null.
pub fn field(item: &Value, pointer: &str) -> String {
    match item.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(", "),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hostile_names_stay_within_their_cells() {
        let columns = [
            Column { heading: "NAME", cell: |item| field(item, "/name") },
            Column { heading: "STATE", cell: |item| field(item, "/state") },
            Column { heading: "NOTE", cell: |item| field(item, "/note") },
        ];
        let items = [
            json!({"name": "web-1", "state": "active", "note": null}),
            json!({"name": "\u{1b}]0;owned\u{7}\u{1b}[2J", "state": "revoked", "note": "=cmd|' /C calc'!A0"}),
            json!({"name": "主机", "state": "active", "note": "gpj.\u{202e}exe"}),
            json!({"name": "a\nb\tc", "state": 7, "note": "x".repeat(4096)}),
        ];
        insta::assert_snapshot!(render(&items, &columns, false));
        assert_eq!(render(&[], &columns, true), "nothing to show");
        assert!(render(&items[..1], &columns, true).contains("\u{1b}[32mactive\u{1b}[0m"));
    }
}
