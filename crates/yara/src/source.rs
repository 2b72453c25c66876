//! Where in the source something stands.

/// Line and column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub line: u32,
    pub column: u32,
}

/// The position of a byte; the end of the source for bytes beyond it.
pub(crate) fn position(source: &str, byte: usize) -> Position {
    let mut end = byte.min(source.len());
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let before = &source[..end];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |text| text.chars().count()) + 1;
    Position { line: line as u32, column: column as u32 }
}

/// The source with comments, texts and regular expressions blanked out, byte for byte: what is left is structure.
pub(crate) fn structure(source: &str) -> Vec<u8> {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'/')) => find(bytes, at, |rest| rest[0] == b'\n'),
            (b'/', Some(b'*')) => find(bytes, at + 2, |rest| rest.starts_with(b"*/")) + 2,
            (b'"', _) => quoted(bytes, at, b'"'),
            // A slash begins a regular expression where a value is wanted; a division has a space or a value before it.
            (b'/', _) if wants_value(&out[..at]) => quoted(bytes, at, b'/'),
            _ => {
                at += 1;
                continue;
            }
        };
        let end = end.min(bytes.len());
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    out
}

fn find(bytes: &[u8], from: usize, is: impl Fn(&[u8]) -> bool) -> usize {
    (from..bytes.len()).find(|at| is(&bytes[*at..])).unwrap_or(bytes.len())
}

fn quoted(bytes: &[u8], at: usize, mark: u8) -> usize {
    let mut next = at + 1;
    while next < bytes.len() && bytes[next] != mark && bytes[next] != b'\n' {
        next += if bytes[next] == b'\\' { 2 } else { 1 };
    }
    next + 1
}

fn wants_value(before: &[u8]) -> bool {
    let text = before.trim_ascii_end();
    text.last().is_none_or(|byte| matches!(byte, b'=' | b'(' | b','))
        || [&b"matches"[..], b"and", b"or", b"not"].iter().any(|word| text.ends_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_of_an_editor() {
        assert_eq!(position("ab\nç!", 0), Position { line: 1, column: 1 });
        assert_eq!(position("ab\nç!", 5), Position { line: 2, column: 2 });
        assert_eq!(position("ab\nç!", 4), Position { line: 2, column: 1 }, "in the middle of a character");
        assert_eq!(position("", 9), Position { line: 1, column: 1 });
    }

    #[test]
    fn what_is_quoted_is_no_structure() {
        let source = "a // in (0..filesize)\n\"x\\\"y\" /* \n */ $r = /a\\/b\"/ b = 4 / 2 \"unended";
        let blank = String::from_utf8(structure(source)).unwrap_or_default();
        assert_eq!(blank.len(), source.len());
        assert_eq!(blank.split_whitespace().collect::<Vec<_>>(), ["a", "$r", "=", "b", "=", "4", "/", "2"]);
    }
}
