//! Text from endpoints and other people, made fit for a terminal: whatever could move the cursor, hide or reorder
//! what is read shows as an escape.

use std::borrow::Cow;
use std::fmt::Write as _;

/// True for what a terminal or an eye may take for something else: control characters, bidirectional controls,
/// characters without width, line and paragraph separators, tags.
fn deceives(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// One line of text with nothing hidden in it.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(deceives) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if deceives(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// The same for several lines, of which the breaks and tabs are meant.
pub fn visible_lines(text: &str) -> String {
    text.lines()
        .map(|line| line.split('\t').map(visible).collect::<Vec<_>>().join("    "))
        .collect::<Vec<_>>()
        .join("\n")
}

/// JSON with the same meaning, in which such characters stand as `\u` escapes. They occur only within strings.
pub fn plain_json(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && deceives(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                // Writing to a string cannot fail.
                let _ = write!(plain, "\\u{unit:04x}");
            }
        } else {
            plain.push(character);
        }
    }
    plain
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// At most `most` characters, with a mark where something was left out.
pub fn shortened(text: &str, most: usize) -> String {
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(most).collect();
    if characters.next().is_some() {
        short.pop();
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn nothing_moves_the_cursor_or_reorders_the_line() {
        for (given, shown) in [
            ("web-1", "web-1"),
            ("naïve-主机", "naïve-主机"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            ("two\nlines\r", "two\\nlines\\r"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("c1\u{9b}31m", "c1\\u{9b}31m"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
        ] {
            assert_eq!(visible(given), shown);
        }
        assert_eq!(visible_lines("a\tb\u{7}\nc"), "a    b\\u{7}\nc");
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let value = serde_json::json!({"name": "a\u{202e}b\u{9b}c\u{e0041}", "list": ["\u{1b}[0m"]});
        let plain = plain_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!plain.chars().any(|c| c != '\n' && deceives(c)), "{plain}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&plain).unwrap(), value);
    }

    #[test]
    fn long_text_is_cut_with_a_mark() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abcde…");
    }
}
