//! Bytes of strangers as text for people: nothing in it can hide, turn round or end a line.

use std::fmt::Write as _;

/// Characters of a name within a sentence.
pub const NAME: usize = 120;
/// Characters of a command line within a sentence or a label.
pub const LINE: usize = 300;

/// Text of at most `most` characters. What is not UTF-8 shows as `\xff`, what would be invisible or change how the rest reads
/// as `\u{202e}`; what is cut ends with `…`.
pub fn shown(bytes: &[u8], most: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if count == most {
                out.push('…');
                return out;
            }
            count += 1;
            push(&mut out, c);
        }
        for byte in chunk.invalid() {
            if count == most {
                out.push('…');
                return out;
            }
            count += 1;
            // Writing into a string cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

fn push(out: &mut String, c: char) {
    if is_hidden(c) {
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
    } else {
        out.push(c);
    }
}

/// Whether a character cannot be seen, or changes how others are seen: controls, directions, joiners, blanks of other
/// alphabets, tags, private and unassigned planes.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}'
            | '\u{e0000}'..='\u{10ffff}')
}

/// A command line as a person would type it: arguments with a blank or a quote stand in quotes.
pub fn command_line(arguments: &[Vec<u8>], is_cut: bool) -> String {
    let mut line = String::new();
    for argument in arguments {
        if !line.is_empty() {
            line.push(' ');
        }
        let text = shown(argument, usize::MAX);
        let is_plain =
            !text.is_empty() && !text.contains([' ', '\'', '"', '\\', '$', ';', '&', '|', '<', '>']);
        if is_plain {
            line.push_str(&text);
        } else {
            line.push('\'');
            line.push_str(&text.replace('\'', "'\\''"));
            line.push('\'');
        }
    }
    if is_cut {
        line.push_str(" …");
    }
    line
}

/// At most `most` characters of text that is fit to be shown already.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// The last part of a path.
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// `1 process`, `2 processes`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A moment as RFC 3339 in UTC with microseconds; moments beyond the calendar are brought to its edge.
pub fn moment(at_us: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(at_us).unwrap_or(if at_us < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    });
    jiff::fmt::temporal::DateTimePrinter::new().precision(Some(6)).timestamp_to_string(&at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_is_shown_and_what_is_long_is_cut() {
        assert_eq!(shown(b"/tmp/a\n\xff\xc3\xa9", NAME), "/tmp/a\\u{a}\\xff\u{e9}");
        assert_eq!(shown("a\u{202e}b\u{200b}\u{a0}".as_bytes(), NAME), "a\\u{202e}b\\u{200b}\\u{a0}");
        assert_eq!(shown(&[b'x'; 300], 4), "xxxx…");
        assert_eq!(shown(&[0xff; 3], 2), "\\xff\\xff…");
        assert_eq!(shown(b"", 4), "");
    }

    #[test]
    fn a_command_line_reads_as_typed() {
        let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(command_line(&words(&["sh", "-c", "curl x|sh", ""]), false), "sh -c 'curl x|sh' ''");
        assert_eq!(command_line(&words(&["a'b"]), true), "'a'\\''b' …");
        assert_eq!(command_line(&[], false), "");
    }

    #[test]
    fn any_moment_is_a_date() {
        assert_eq!(moment(0), "1970-01-01T00:00:00.000000Z");
        assert!(moment(i64::MAX).starts_with("9999-12-3"), "{}", moment(i64::MAX));
        assert!(moment(i64::MIN).starts_with('-'));
    }
}
