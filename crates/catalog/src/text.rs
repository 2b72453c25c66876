//! Text from outside, bounded, and paths that need not be UTF-8.

use crate::CheckError;

/// Longest path that Linux takes in one call, with its final NUL (`PATH_MAX`, limits.h).
const PATH_MAX: usize = 4096;

/// True for text without control characters and without the bidirectional controls that make text show
/// otherwise than it reads.
pub fn is_clean_text(text: &str) -> bool {
    !text.chars().any(|c| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    })
}

/// An absolute path without control characters, given either as text or, where it is not UTF-8, as hex of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathText(Vec<u8>);

impl PathText {
    /// Reads the pair of fields `path` and `path_hex`, of which at most one may be given.
    pub fn from_fields(path: Option<&str>, path_hex: Option<&str>) -> Result<Option<Self>, CheckError> {
        let bytes = match (path, path_hex) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(CheckError::new("path_hex", "give `path` or `path_hex`, not both"));
            }
            (Some(path), None) => path.as_bytes().to_vec(),
            (None, Some(hex)) => decode_hex(hex)
                .ok_or_else(|| CheckError::new("path_hex", "not an even number of hex digits"))?,
        };
        Self::check(&bytes).map_err(|problem| CheckError::new("path", problem))?;
        Ok(Some(Self(bytes)))
    }

    fn check(bytes: &[u8]) -> Result<(), &'static str> {
        if bytes.first() != Some(&b'/') {
            return Err("must be absolute (begin with `/`)");
        }
        // A legal name to the kernel, and never one that an honest program gives: a line break in it writes a line of
        // its own into whatever is read by lines.
        if bytes.iter().any(u8::is_ascii_control) {
            return Err("must not contain control characters (a line break, a tab, NUL, …)");
        }
        if bytes.len() >= PATH_MAX {
            return Err("longer than 4095 bytes");
        }
        if bytes.split(|b| *b == b'/').any(|part| part == b"..") {
            return Err("must not contain `..`: name the file where it is");
        }
        Ok(())
    }

    /// The bytes of the path.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Bytes from hex of either case.
pub fn decode_hex(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    hex.as_bytes()
        .chunks(2)
        .map(|pair| {
            let digits = str::from_utf8(pair).ok()?;
            u8::from_str_radix(digits, 16).ok()
        })
        .collect()
}

/// True for exactly `digits` lower- or upper-case hex digits.
pub fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn paths_are_absolute_bounded_and_plain() {
        let refuse = |path: &str| PathText::from_fields(Some(path), None).unwrap_err().problem;
        assert!(refuse("etc/passwd").contains("absolute"));
        assert!(refuse("/var/../etc/shadow").contains(".."));
        for control in (0..0x20).chain([0x7f]) {
            let path = format!("/a{}b", char::from(control));
            assert!(refuse(&path).contains("control"), "{control:#x}");
            let hex = PathText::from_fields(None, Some(&format!("2f61{control:02x}62"))).unwrap_err();
            assert!(hex.problem.contains("control"), "{control:#x}");
        }
        assert!(refuse(&format!("/{}", "x".repeat(4095))).contains("4095"));
        assert!(PathText::from_fields(Some("/a b\u{e9}\u{202e}'\"\\*"), None).is_ok(), "odd, and legal");
        assert!(PathText::from_fields(Some("/a"), Some("2f61")).is_err());
    }

    #[test]
    fn a_path_that_is_not_utf8_comes_as_hex() {
        let path = PathText::from_fields(None, Some("2ff0ff")).unwrap().unwrap();
        assert_eq!(path.as_bytes(), b"/\xf0\xff");
        assert!(PathText::from_fields(None, Some("2f6")).is_err());
        assert!(PathText::from_fields(None, Some("+f")).is_err());
    }

    #[test]
    fn clean_text_has_no_controls() {
        assert!(is_clean_text("Isolate wéb-1, ticket 42"));
        assert!(!is_clean_text("a\u{1b}[31m"));
        assert!(!is_clean_text("a\u{202e}b"));
    }
}
