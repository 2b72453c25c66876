//! What modifiers make of a text before it is looked for: UTF-16, base64 at each of its three offsets, dashes as Windows
//! programs take them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// In UTF-16, low byte first.
pub(crate) fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// In UTF-16, high byte first.
pub(crate) fn wide_be(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// As base64 of its own.
pub(crate) fn base64(bytes: &[u8]) -> Vec<u8> {
    STANDARD.encode(bytes).into_bytes()
}

/// As it looks within the base64 of something longer: depending on where it begins there, one of three. Characters that
/// depend on what stands before or behind are left out.
pub(crate) fn base64_offsets(bytes: &[u8]) -> Vec<Vec<u8>> {
    let offset = |before: usize| {
        let mut padded = vec![b' '; before];
        padded.extend_from_slice(bytes);
        let text = STANDARD.encode(&padded).into_bytes();
        let begin = [0, 2, 3][before];
        let cut = [0, 3, 2][padded.len() % 3];
        text.get(begin..text.len() - cut).unwrap_or_default().to_vec()
    };
    (0..3).map(offset).collect()
}

/// Dashes that some programs take for another: hyphen, slash, en dash, em dash, horizontal bar.
const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];
/// Dashes of one text that are written in each way.
const MOST_DASHES: usize = 3;

/// The text with each dash that begins a word written in each way; `None` where there are too many.
pub(crate) fn dashes(text: &str) -> Option<Vec<String>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut pieces = vec![String::new()];
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let begins_word = letters.peek().is_some_and(|next| is_word(*next)) && !is_word(before);
        if matches!(letter, '-' | '/') && begins_word {
            pieces.push(String::new());
        } else if let Some(last) = pieces.last_mut() {
            last.push(letter);
        }
        before = letter;
    }
    if pieces.len() - 1 > MOST_DASHES {
        return None;
    }
    let mut texts = vec![String::new()];
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            texts = texts.iter().flat_map(|text| DASHES.map(|dash| format!("{text}{dash}"))).collect();
        }
        for text in &mut texts {
            text.push_str(piece);
        }
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_base64_wherever_it_begins() {
        let needles = base64_offsets(b"/bin/sh");
        for before in 0..6 {
            for behind in 0..6 {
                let whole = [vec![b'x'; before], b"/bin/sh".to_vec(), vec![b'y'; behind]].concat();
                let text = base64(&whole);
                let found = needles.iter().any(|needle| text.windows(needle.len()).any(|w| w == needle));
                assert!(found, "{before} {behind}");
            }
        }
    }

    #[test]
    fn dashes_are_written_in_each_way() {
        assert_eq!(dashes("-a b-c").map(|texts| texts.len()), Some(5));
        assert_eq!(dashes("-a -b").map(|texts| texts.len()), Some(25));
        assert_eq!(dashes("-a -b -c -d"), None);
    }
}
