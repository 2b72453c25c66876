//! Regular expressions of rules: compiled within limits, and the texts without which they cannot match.
//!
//! They run over bytes, and `.` and classes mean bytes: a byte that is no UTF-8 must not hide what stands around it.

use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::limits;

/// Flags behind `re`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub any_case: bool,
    pub many_lines: bool,
    pub dot_is_all: bool,
}

/// A regular expression that was found to be one. It is built again when it is first needed, and kept from then on: of
/// hundreds in a set a machine needs a few, and each takes twenty kilobytes.
#[derive(Clone, Debug)]
pub(crate) struct Regular {
    text: Box<str>,
    flags: Flags,
    /// Texts of which one stands in whatever matches, in either case; none where that cannot be said.
    pub literals: Vec<Vec<u8>>,
    built: OnceLock<Option<Regex>>,
}

impl Regular {
    pub fn is_match(&self, bytes: &[u8]) -> bool {
        let built = self.built.get_or_init(|| build(&self.text, self.flags).ok());
        built.as_ref().is_some_and(|regex| regex.is_match(bytes))
    }

    /// What tells it from others.
    pub fn key(&self) -> String {
        format!("{:?} {}", self.flags, self.text)
    }
}

/// Texts that one regular expression may be looked for by.
const MOST_LITERALS: usize = 64;
/// A shorter text stands everywhere and saves nothing. Bytes.
const SHORTEST: usize = 2;

/// A regular expression, or why it is none that is taken.
pub(crate) fn compile(text: &str, flags: Flags) -> Result<Regular, String> {
    if text.len() > limits::REGEX {
        return Err(format!("a regular expression of more than {} bytes", limits::REGEX));
    }
    build(text, flags).map_err(|error| reason(&error))?;
    Ok(Regular { text: text.into(), flags, literals: literals(text, flags), built: OnceLock::new() })
}

fn build(text: &str, flags: Flags) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .unicode(false)
        .case_insensitive(flags.any_case)
        .multi_line(flags.many_lines)
        .dot_matches_new_line(flags.dot_is_all)
        .nest_limit(limits::REGEX_NESTING)
        .size_limit(limits::REGEX_COMPILED)
        .dfa_size_limit(limits::REGEX_CACHE)
        .build()
}

/// The last line of what the engine says: the lines before it draw the expression.
fn reason(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("a regular expression that becomes larger than {limit} bytes")
        }
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            if last.contains("Unicode not allowed") {
                return "not a regular expression over bytes: letters beyond ASCII in brackets, or `\\p`"
                    .to_owned();
            }
            format!("not a regular expression: {}", last.strip_prefix("error: ").unwrap_or(last))
        }
    }
}

/// Texts of which one stands in whatever matches, in either case; none where that cannot be said.
fn literals(text: &str, flags: Flags) -> Vec<Vec<u8>> {
    // Without its flag for case: what is searched by these texts pays no heed to case anyway.
    let parsed = ParserBuilder::new()
        .unicode(false)
        .utf8(false)
        .multi_line(flags.many_lines)
        .dot_matches_new_line(flags.dot_is_all)
        .nest_limit(limits::REGEX_NESTING)
        .build()
        .parse(text);
    let mut found = parsed.ok().and_then(|hir| required(&hir)).unwrap_or_default();
    for text in &mut found {
        text.make_ascii_lowercase();
    }
    found.sort();
    found.dedup();
    found
}

fn required(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let found = match hir.kind() {
        HirKind::Literal(literal) => vec![literal.0.to_vec()],
        HirKind::Capture(capture) => required(&capture.sub)?,
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub)?,
        HirKind::Alternation(items) => {
            items.iter().map(required).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect()
        }
        HirKind::Concat(items) => concatenated(items)?,
        _ => return None,
    };
    let holds = found.len() <= MOST_LITERALS && found.iter().all(|text| text.len() >= SHORTEST);
    holds.then_some(found)
}

/// The best of what stands in a row: the one whose shortest text is longest.
fn concatenated(items: &[Hir]) -> Option<Vec<Vec<u8>>> {
    let mut best: Option<Vec<Vec<u8>>> = None;
    let mut consider = |found: Vec<Vec<u8>>| {
        let worth = |texts: &[Vec<u8>]| texts.iter().map(Vec::len).min().unwrap_or(0);
        if worth(&found) >= SHORTEST && best.as_ref().is_none_or(|best| worth(best) < worth(&found)) {
            best = Some(found);
        }
    };
    let mut run = Vec::new();
    for item in items {
        match item.kind() {
            HirKind::Literal(literal) => run.extend_from_slice(&literal.0),
            HirKind::Class(class) if letter(class).is_some() => run.extend(letter(class)),
            _ => {
                consider(vec![std::mem::take(&mut run)]);
                if let Some(found) = required(item) {
                    consider(found);
                }
            }
        }
    }
    consider(vec![run]);
    best
}

/// The one letter that a class is in both cases, as `(?i)` writes it.
fn letter(class: &Class) -> Option<u8> {
    let letters: Vec<u8> = match class {
        Class::Bytes(class) => class.iter().flat_map(|range| range.start()..=range.end()).take(3).collect(),
        Class::Unicode(_) => return None,
    };
    match letters[..] {
        [one] => Some(one),
        [one, other] if one.eq_ignore_ascii_case(&other) => Some(other),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_stand_in_a_match_is_found() {
        for (text, expected) in [
            ("abc", &["abc"][..]),
            (r"\bcurl\s+.*\|\s*(ba)?sh\b", &["curl"]),
            ("(foo|barbaz)[0-9]+", &["barbaz", "foo"]),
            ("(?i)Hidden", &["hidden"]),
            ("x?y*", &[]),
            ("(ab|.*)", &[]),
            ("[0-9]{3}", &[]),
            ("(evil)+", &["evil"]),
            ("(evil)*", &[]),
            ("^/tmp/[^/]+$", &["/tmp/"]),
        ] {
            let found = literals(text, Flags::default());
            let found: Vec<_> = found.iter().map(|text| String::from_utf8_lossy(text)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_would_cost_too_much_is_refused_with_a_reason() {
        for (text, words) in [
            ("(?:a{500}){500}", "larger than"),
            ("(", "unclosed group"),
            ("(?=x)", "look-around"),
            (r"(a)\1", "backreferences"),
            (&format!("{}a{}", "(".repeat(100), ")".repeat(100)), "nest"),
            (&"a".repeat(2000), "more than"),
        ] {
            let reason = compile(text, Flags::default()).err().unwrap_or_default();
            assert!(reason.contains(words), "{text}: {reason}");
        }
    }
}
