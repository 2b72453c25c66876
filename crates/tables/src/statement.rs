//! Where the one statement of a text ends. SQLite would tell too, but by preparing each statement within the one before.

/// The first statement, without what separates it; `None` where more than separators and comments follow it.
pub(crate) fn only(sql: &str) -> Option<&str> {
    let bytes = sql.as_bytes();
    let mut begin = 0;
    // Separators in front of it.
    loop {
        begin = blank(bytes, begin);
        if bytes.get(begin) != Some(&b';') {
            break;
        }
        begin += 1;
    }
    let mut at = begin;
    while at < bytes.len() && bytes[at] != b';' {
        at = after(bytes, at);
    }
    let end = at;
    while at < bytes.len() {
        at = blank(bytes, at);
        match bytes.get(at) {
            Some(b';') => at += 1,
            Some(_) => return None,
            None => break,
        }
    }
    // Both stand before or behind a byte of ASCII, or at an end.
    sql.get(begin..end)
}

/// Behind white space and comments.
fn blank(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at..) {
            Some([first, ..]) if first.is_ascii_whitespace() => at += 1,
            Some([b'-', b'-', ..] | [b'/', b'*', ..]) => at = after(bytes, at),
            _ => return at,
        }
    }
}

/// Behind the text, the name, the comment or the byte that begins here.
fn after(bytes: &[u8], at: usize) -> usize {
    let until = |from: usize, close: &[u8]| {
        let rest = bytes.get(from..).unwrap_or_default();
        let found = rest.windows(close.len()).position(|window| window == close);
        found.map_or(bytes.len(), |found| from + found + close.len())
    };
    match bytes.get(at..).unwrap_or_default() {
        [b'-', b'-', ..] => until(at + 2, b"\n"),
        [b'/', b'*', ..] => until(at + 2, b"*/"),
        // A doubled quote begins the next text at once, which is the same.
        [quote @ (b'\'' | b'"' | b'`'), ..] => until(at + 1, &[*quote]),
        [b'[', ..] => until(at + 1, b"]"),
        _ => at + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_is_found_and_two_are_not() {
        for (sql, found) in [
            ("SELECT 1", Some("SELECT 1")),
            (" ;; SELECT 1 ; ; -- done ;\n", Some("SELECT 1 ")),
            ("SELECT ';' || \";\" || [;] -- ; \n, 2", Some("SELECT ';' || \";\" || [;] -- ; \n, 2")),
            ("SELECT 'it''s;' /* ; */; /* x", Some("SELECT 'it''s;' /* ; */")),
            ("SELECT 1; SELECT 2", None),
            ("SELECT 1; x", None),
            ("SELECT 'ä;", Some("SELECT 'ä;")),
            ("", Some("")),
            (";", Some("")),
        ] {
            assert_eq!(only(sql), found, "{sql}");
        }
        assert_eq!(only(&";".repeat(1 << 20)), Some(""));
    }
}
