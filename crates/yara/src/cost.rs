//! What rules will cost, judged before they run anywhere.

use crate::compile::Warning;
use crate::source::{position, structure};

/// An atom shorter than this is found everywhere. Bytes.
const ATOM: usize = 2;
/// Loops over more than this many values are long.
const ROUNDS: u64 = 1_000_000;

/// Costly strings and loops.
pub(crate) fn look<'a>(
    source: &str,
    rules: impl Iterator<Item = &'a boreal::statistics::CompiledRule>,
) -> Vec<Warning> {
    let structure = structure(source);
    let mut found = loops(source, &structure);
    for rule in rules {
        for string in &rule.strings {
            let Some(why) = string_cost(string) else { continue };
            let at = place(&structure, &rule.name, &string.name);
            let at = position(source, at);
            let message = format!("${} of rule {}: {why}", string.name, rule.name);
            found.push(Warning { line: at.line, column: at.column, message, costly: true });
        }
    }
    found.sort_by_key(|warning| (warning.line, warning.column));
    found
}

fn string_cost(string: &boreal::statistics::CompiledString) -> Option<&'static str> {
    let shortest = string.atoms.iter().map(Vec::len).min();
    match shortest {
        None | Some(0) => Some("holds no fixed bytes to look for, so it is tried at every byte"),
        Some(length) if length < ATOM => {
            Some("holds fewer than 2 fixed bytes in a row, which are found everywhere")
        }
        Some(_) if begins_open(&string.expr) => {
            Some("begins with an open repetition, which is tried over and over")
        }
        Some(_) => None,
    }
}

/// A regular expression that begins with `.*`, `.+` or `.{n,}`.
fn begins_open(expression: &str) -> bool {
    // The engine gives the whole declaration, `$name = /…/`.
    let value = expression.split_once('=').map_or(expression, |(_, value)| value).trim_start();
    let Some(regex) = value.strip_prefix('/') else { return false };
    let open = regex.trim_start_matches('(').strip_prefix('.');
    open.is_some_and(|rest| {
        rest.starts_with(['*', '+'])
            || (rest.starts_with('{') && rest.split_once('}').is_some_and(|(count, _)| count.ends_with(',')))
    })
}

/// Where the string of this name stands in the rule; the rule where it has none.
fn place(structure: &[u8], rule: &str, string: &str) -> usize {
    let start = word(structure, 0, &format!("rule {rule}")).unwrap_or(0);
    if string.is_empty() { start } else { word(structure, start, &format!("${string}")).unwrap_or(start) }
}

fn word(structure: &[u8], from: usize, text: &str) -> Option<usize> {
    let text = text.as_bytes();
    let rest = structure.get(from..)?;
    rest.windows(text.len() + 1)
        .position(|window| {
            window.starts_with(text)
                && !window[text.len()].is_ascii_alphanumeric()
                && window[text.len()] != b'_'
        })
        .map(|at| from + at)
}

/// `for … in (a..b)` where `b` is the size of the file, or far away.
fn loops(source: &str, structure: &[u8]) -> Vec<Warning> {
    let mut found = Vec::new();
    let text = String::from_utf8_lossy(structure);
    // Blanks are ASCII, so that bytes of the text are those of the source unless a character was cut, which `"` prevents.
    for (at, _) in text.match_indices("..") {
        let before = text[..at].rfind('(').map_or("", |open| &text[..open]);
        let end: String =
            text[at + 2..].trim_start().chars().take_while(char::is_ascii_alphanumeric).collect();
        let words: Vec<&str> = before.split_whitespace().rev().take(5).collect();
        let is_loop = words.first() == Some(&"in") && words.contains(&"for");
        let far = end == "filesize" || number(&end).is_some_and(|end| end > ROUNDS);
        if is_loop && far {
            let at = position(source, at);
            let message = format!("a loop up to {end}: one round for each value");
            found.push(Warning { line: at.line, column: at.column, message, costly: true });
        }
    }
    found
}

/// A whole number of YARA: decimal, `0x…`, with KB or MB.
fn number(text: &str) -> Option<u64> {
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16).ok();
    }
    let (digits, factor) = match (text.strip_suffix("KB"), text.strip_suffix("MB")) {
        (Some(digits), _) => (digits, 1 << 10),
        (_, Some(digits)) => (digits, 1 << 20),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok().map(|number| number.saturating_mul(factor))
}
