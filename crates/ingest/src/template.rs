//! A text with paths in braces: `"{/rule/id}: {/rule/name}"`. It has a value only where each of its paths has one.

use serde_json::Value;

use crate::path::Path;
use crate::value::scalar;

/// What is put together. Bytes; what is beyond is cut by the field anyway.
const LONGEST: usize = 16 << 10;

#[derive(Clone, Debug)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Path(Path),
}

impl Template {
    /// Reads it; says what is wrong with it. `{{` is a brace.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, behind) = rest.split_at(at);
            plain.push_str(before);
            if let Some(behind) = behind.strip_prefix("{{") {
                plain.push('{');
                rest = behind;
                continue;
            }
            let Some((path, behind)) = behind.strip_prefix('{').and_then(|behind| behind.split_once('}'))
            else {
                return Err("`{` is never closed; a brace itself is written `{{`".to_owned());
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Path(Path::parse(path)?));
            rest = behind;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        if pieces.iter().any(|piece| matches!(piece, Piece::Path(_))) {
            Ok(Self { pieces })
        } else {
            Err("a text without a path in braces is a constant: write `value:`".to_owned())
        }
    }

    /// Put together, with the first value at each path that counts as one.
    pub fn fill(&self, base: &Value, counts: impl Fn(&str) -> bool) -> Option<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Path(path) => {
                    let found = path.find(base);
                    let mut values = found.iter().filter_map(|one| scalar(one.value));
                    text.push_str(&values.find(|value| counts(value))?);
                }
            }
            if text.len() > LONGEST {
                text.truncate(text.floor_char_boundary(LONGEST));
                break;
            }
        }
        Some(text)
    }

    /// The first path, as it was written: where somebody may begin to look.
    pub fn first(&self) -> &str {
        let paths = self.pieces.iter().find_map(|piece| match piece {
            Piece::Path(path) => Some(path.text()),
            Piece::Text(_) => None,
        });
        paths.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use serde_json::json;

    #[test]
    fn it_is_filled_wholly_or_not_at_all() {
        let record = json!({"a": 1, "b": ["x", "y"], "c": "-", "d": {}});
        let fill = |text: &str| Template::parse(text).unwrap().fill(&record, |value| value != "-");
        assert_eq!(fill("{/a}:{/b/*}").as_deref(), Some("1:x"));
        assert_eq!(fill("{{{/a}}").as_deref(), Some("{1}"));
        for text in ["{/a}{/none}", "{/c}", "{/d}"] {
            assert_eq!(fill(text), None, "{text}");
        }
        for text in ["plain", "{/a", "{a}", "{{/a}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
