//! Foreign text made inert: nothing in it moves a cursor, turns the reading direction, hides, ends a line or a header, or
//! fills a page. Names of endpoints, files and people are chosen by whoever has them.

/// The most of one foreign text, in characters.
pub const MOST: usize = 200;
/// The most of a foreign text of several lines (a reason, a note).
pub const MOST_LONG: usize = 2000;

/// One line, at most `most` characters.
pub fn line(text: &str, most: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(most * 4));
    let mut count = 0;
    // What is skipped counts too, so that a text of nothing but marks is not walked to its end.
    for (walked, character) in text.chars().enumerate() {
        if count == most || walked >= most.saturating_mul(4) {
            clean.push('…');
            break;
        }
        if let Some(shown) = inert(character) {
            clean.push(shown);
            count += 1;
        }
    }
    clean.trim().to_owned()
}

/// The same as a header of a mail takes it: a text that looks like an encoded word (RFC 2047) would be decoded by the
/// reader's program, and what comes out of that nobody has looked at.
pub fn header(text: &str, most: usize) -> String {
    line(text, most).replace("=?", "= ?")
}

/// What stands for a character: itself, a blank, a mark that something was there, or nothing.
fn inert(character: char) -> Option<char> {
    match character {
        '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        // What was cut, not what was meant: an escape sequence shows as the letters that it consisted of.
        character if character.is_control() => Some('\u{fffd}'),
        character if is_invisible(character) => None,
        character => Some(character),
    }
}

/// Characters that show nothing themselves and change how others are shown: marks of direction, joiners, variation
/// selectors, tags, fillers (Unicode 16, general category Cf and Default_Ignorable_Code_Point).
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_decodes_to_itself() {
        assert_eq!(header("=?utf-8?q?=0D=0Ax?=\r\n", 100), "= ?utf-8?q?=0D=0Ax?=");
        assert_eq!(header("==??utf-8?q?x?=", 100), "== ??utf-8?q?x?=");
    }

    #[test]
    fn a_hostile_name_is_inert() {
        for (name, shown) in [
            ("web-1", "web-1"),
            ("a\r\nBcc: eve@example.org", "a  Bcc: eve@example.org"),
            ("\u{1b}[2J\u{7}boo", "\u{fffd}[2J\u{fffd}boo"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("a\u{200b}d\u{2066}min", "admin"),
            ("nul\0l", "nul\u{fffd}l"),
            ("  \u{2028}x\u{85}", "x"),
            ("Zoë 株式会社", "Zoë 株式会社"),
        ] {
            assert_eq!(line(name, MOST), shown, "{name:?}");
        }
        let long = line(&"x".repeat(4096), MOST);
        assert_eq!(long.chars().count(), MOST + 1);
        assert!(long.ends_with('…'));
        assert!(line(&"\u{200b}".repeat(1 << 20), MOST).len() < 8);
    }
}
