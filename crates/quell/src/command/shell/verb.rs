//! Verbs of the agent as they are typed, and their answers as they are shown.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::text;

/// Columns of a table are no wider. Characters.
const WIDE: usize = 60;

/// A verb and its arguments, split as a shell does, quotes included.
pub fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut is_word) = (Vec::new(), String::new(), None, false);
    let mut letters = line.trim().trim_start_matches(':').chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '\'' | '"') => (quote, is_word) = (Some(letter), true),
            (None | Some('"'), '\\') => {
                word.extend(letters.next());
                is_word = true;
            }
            (None, ' ' | '\t') => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            _ => {
                word.push(letter);
                is_word = true;
            }
        }
    }
    if is_word {
        words.push(word);
    }
    words
}

/// `put FILE PLACE` names a file here: it is given to the shell first, and its id takes its place.
pub async fn prepare(client: &Client, shell: &str, words: &mut [String]) -> Result<(), Failure> {
    if words.first().is_none_or(|verb| verb != "put") || words.len() < 3 {
        return Ok(());
    }
    let body = std::fs::read(Path::new(&words[1]))
        .map_err(|error| Failure::new(format!("{}: {error}", text::visible(&words[1]))))?;
    let path = format!("/api/v1/shells/{}/files", segment(shell));
    let given = client.post_bytes(&path, &[], body).await?;
    given.get("artifact_id").and_then(Value::as_str).unwrap_or_default().clone_into(&mut words[1]);
    Ok(())
}

/// An answer as lines for a terminal in raw mode.
pub fn shown(result: &Value) -> String {
    let mut out = String::new();
    match result.get("rows").and_then(Value::as_array) {
        Some(rows) => {
            table(rows, &mut out);
            if result.get("truncated") == Some(&Value::Bool(true)) {
                out.push_str("… and more\r\n");
            }
        }
        None => {
            for (name, value) in result.as_object().into_iter().flatten() {
                let _ = write!(out, "{name}: {}\r\n", cell(value, 4096));
            }
        }
    }
    out
}

fn table(rows: &[Value], out: &mut String) {
    let Some(first) = rows.first().and_then(Value::as_object) else { return };
    let names: Vec<&String> = first.keys().collect();
    let width = |name: &str| {
        let cells = rows.iter().map(|row| cell(&row[name], WIDE).chars().count());
        cells.max().unwrap_or(0).max(name.len())
    };
    let widths: Vec<usize> = names.iter().map(|name| width(name)).collect();
    let mut line = |cells: Vec<String>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        out.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        out.push_str("\r\n");
    };
    line(names.iter().map(|name| name.to_uppercase()).collect());
    for row in rows {
        line(names.iter().map(|name| cell(&row[name.as_str()], WIDE)).collect());
    }
}

fn cell(value: &Value, most: usize) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text::visible(text).into_owned(),
        other => other.to_string(),
    };
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(split(":get '/a b' \"c\\\"d\" e\\ f ''"), ["get", "/a b", "c\"d", "e f", ""]);
        assert!(split("  ").is_empty());
    }

    #[test]
    fn what_an_endpoint_says_cannot_steer_the_terminal() {
        let text = shown(&json!({ "rows": [{ "name": "a\u{1b}[2J" }], "truncated": true }));
        assert!(!text.contains('\u{1b}') && text.contains("NAME") && text.contains("more"), "{text}");
    }
}
