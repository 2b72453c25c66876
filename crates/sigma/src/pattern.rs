//! Texts of rules with their wildcards: read as Sigma writes them, matched over bytes.
//!
//! `*` is any number of bytes, `?` one character (of UTF-8, or one byte where there is none), `\` in front of either or of
//! itself takes the meaning away and is otherwise itself. Letters of ASCII match in either case unless a rule says `cased`.

use crate::limits;

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// As it is.
    Literal(Vec<u8>),
    /// One character.
    One,
    /// Anything, also nothing.
    Any,
}

/// A text with wildcards. No two literals stand side by side, nor two `Any`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub parts: Vec<Part>,
}

/// What a pattern comes down to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Exact(Vec<u8>),
    Prefix(Vec<u8>),
    Suffix(Vec<u8>),
    Contains(Vec<u8>),
    /// Any value, also an empty one.
    Anything,
    Glob(Pattern),
}

impl Pattern {
    /// Reads a text of a rule.
    pub fn read(text: &str) -> Self {
        let mut pattern = Self::default();
        let mut literal = Vec::new();
        let mut letters = text.chars();
        let mut room = [0; 4];
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => match letters.next() {
                    Some(next @ ('*' | '?' | '\\')) => literal.push(next as u8),
                    Some(next) => {
                        literal.push(b'\\');
                        literal.extend_from_slice(next.encode_utf8(&mut room).as_bytes());
                    }
                    None => literal.push(b'\\'),
                },
                '*' => pattern.wildcard(&mut literal, Part::Any),
                '?' => pattern.wildcard(&mut literal, Part::One),
                _ => literal.extend_from_slice(letter.encode_utf8(&mut room).as_bytes()),
            }
        }
        pattern.literal(&mut literal);
        pattern
    }

    /// A text in which nothing has a meaning.
    pub fn plain(bytes: Vec<u8>) -> Self {
        let mut pattern = Self::default();
        pattern.literal(&mut { bytes });
        pattern
    }

    fn literal(&mut self, literal: &mut Vec<u8>) {
        if !literal.is_empty() {
            self.parts.push(Part::Literal(std::mem::take(literal)));
        }
    }

    fn wildcard(&mut self, literal: &mut Vec<u8>, part: Part) {
        self.literal(literal);
        if part != Part::Any || self.parts.last() != Some(&Part::Any) {
            self.parts.push(part);
        }
    }

    /// With anything in front of it.
    pub fn open_start(&mut self) {
        if self.parts.first() != Some(&Part::Any) {
            self.parts.insert(0, Part::Any);
        }
    }

    /// With anything behind it.
    pub fn open_end(&mut self) {
        if self.parts.last() != Some(&Part::Any) {
            self.parts.push(Part::Any);
        }
    }

    /// The bytes, where there is no wildcard in it.
    pub fn without_wildcards(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(&[]),
            [Part::Literal(bytes)] => Some(bytes),
            _ => None,
        }
    }

    pub fn too_wild(&self) -> bool {
        self.parts.iter().filter(|part| !matches!(part, Part::Literal(_))).count() > limits::WILDCARDS
    }

    pub fn shape(self) -> Shape {
        use Part::{Any, Literal};
        match self.parts.as_slice() {
            [] => Shape::Exact(Vec::new()),
            [Any] => Shape::Anything,
            [Literal(text)] => Shape::Exact(text.clone()),
            [Literal(text), Any] => Shape::Prefix(text.clone()),
            [Any, Literal(text)] => Shape::Suffix(text.clone()),
            [Any, Literal(text), Any] => Shape::Contains(text.clone()),
            _ => Shape::Glob(self),
        }
    }
}

impl Shape {
    /// The longest text that stands in whatever matches.
    pub fn literal(&self) -> Option<&[u8]> {
        let longest = match self {
            Self::Exact(text) | Self::Prefix(text) | Self::Suffix(text) | Self::Contains(text) => text,
            Self::Anything => return None,
            Self::Glob(pattern) => {
                let literals = pattern.parts.iter().filter_map(|part| match part {
                    Part::Literal(text) => Some(text),
                    _ => None,
                });
                literals.max_by_key(|text| text.len())?
            }
        };
        (!longest.is_empty()).then_some(longest)
    }

    /// Whether the bytes match, all of them.
    pub fn matches(&self, bytes: &[u8], cased: bool) -> bool {
        let same = |one: &[u8], other: &[u8]| same(one, other, cased);
        match self {
            Self::Exact(text) => bytes.len() == text.len() && same(bytes, text),
            Self::Prefix(text) => bytes.get(..text.len()).is_some_and(|start| same(start, text)),
            Self::Suffix(text) => ends(bytes, text, cased),
            Self::Contains(text) => contains(bytes, text, cased),
            Self::Anything => true,
            Self::Glob(pattern) => glob(&pattern.parts, bytes, cased),
        }
    }
}

fn same(one: &[u8], other: &[u8], cased: bool) -> bool {
    if cased { one == other } else { one.eq_ignore_ascii_case(other) }
}

/// Whether the bytes end with the text.
pub(crate) fn ends(bytes: &[u8], text: &[u8], cased: bool) -> bool {
    bytes.len().checked_sub(text.len()).is_some_and(|at| same(&bytes[at..], text, cased))
}

/// Whether the bytes begin with the text.
pub(crate) fn begins(bytes: &[u8], text: &[u8], cased: bool) -> bool {
    bytes.get(..text.len()).is_some_and(|start| same(start, text, cased))
}

/// Whether the text stands in the bytes.
pub(crate) fn contains(bytes: &[u8], text: &[u8], cased: bool) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| same(window, text, cased))
}

/// Length of the character with which the bytes begin; of a byte that begins none, 1.
fn character(bytes: &[u8]) -> usize {
    let length = match bytes[0] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => 1,
    };
    match bytes.get(..length) {
        Some(start) if std::str::from_utf8(start).is_ok() => length,
        _ => 1,
    }
}

/// Matches piece by piece, and goes back to the last `Any` alone: a later one makes the earlier ones indifferent, so the
/// work is at most bytes times pieces.
fn glob(parts: &[Part], bytes: &[u8], cased: bool) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    loop {
        let step = match parts.get(part) {
            Some(Part::Any) => {
                if part + 1 == parts.len() {
                    return true;
                }
                again = Some((part + 1, at));
                part += 1;
                continue;
            }
            Some(Part::One) => (at < bytes.len()).then(|| character(&bytes[at..])),
            Some(Part::Literal(text)) => begins(&bytes[at..], text, cased).then_some(text.len()),
            None if at == bytes.len() => return true,
            None => None,
        };
        if let Some(length) = step {
            at += length;
            part += 1;
        } else {
            // On by a character, not a byte: `*?` must not begin in the middle of one.
            match again {
                Some((behind, from)) if from < bytes.len() => {
                    let from = from + character(&bytes[from..]);
                    again = Some((behind, from));
                    (part, at) = (behind, from);
                }
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &[u8]) -> bool {
        Pattern::read(pattern).shape().matches(text, false)
    }

    #[test]
    fn wildcards_mean_what_sigma_says() {
        for (pattern, text, expected) in [
            ("abc", "ABC", true),
            ("abc", "abcd", false),
            ("a*c", "abbbc", true),
            ("a*c", "ac", true),
            ("a?c", "ac", false),
            ("a?c", "aäc", true),
            ("a??c", "aäc", false),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c*", "xxaxxcxxbxx", false),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
            ("*?", "", false),
            ("?*", "x", true),
            (r"a\*c", "a*c", true),
            (r"a\*c", "abc", false),
            (r"a\?c", "a?c", true),
            (r"a\\c", r"a\c", true),
            (r"a\\*", r"a\xyz", true),
            (r"a\\\*", r"a\*", true),
            (r"C:\Windows", r"c:\windows", true),
            (r"a\", r"a\", true),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("**", "x", true),
            ("*.s?", "libx.so", true),
            ("*.s?", "libx.so.1", false),
        ] {
            assert_eq!(matches(pattern, text.as_bytes()), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_matched_as_they_are() {
        assert!(matches("*evil*", b"\xff\xfeevil\xff"));
        assert!(matches("a?c", b"a\xffc"));
        assert!(!matches("a?c", b"a\xff\xffc"));
        assert!(matches("a*c", b"a\xc3c"));
    }

    #[test]
    fn a_hostile_pattern_costs_little() {
        let pattern = "*a".repeat(16) + "*b";
        let text = vec![b'a'; 32 << 10];
        let began = std::time::Instant::now();
        assert!(!matches(&pattern, &text));
        assert!(began.elapsed().as_millis() < 200, "{:?}", began.elapsed());
    }
}
