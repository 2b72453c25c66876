//! The part of the template language that a tenant may use: `{{ value }}`, `if`, `for`, comments, a few filters.
//!
//! Rendering is bounded by fuel and by the length of what comes out, but neither bounds a value on its way: a handful of
//! `set` blocks, lists or `~` that each double a text make terabytes of one line. So nothing is let in that makes a larger
//! value of two. What stays can only repeat, and repeating costs fuel.

/// The words that may begin a block.
const BLOCKS: [&str; 6] = ["if", "elif", "else", "endif", "for", "endfor"];
/// Characters that make larger values, or that this reader would have to pair as the real one does.
const REFUSED: [char; 8] = ['~', '*', '+', '%', '{', '}', '[', ']'];

/// Something outside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// From 1.
    pub line: usize,
    /// What.
    pub problem: String,
}

/// Whether the whole text is within it.
pub(super) fn check(text: &str) -> Result<(), Wrong> {
    let mut rest = text;
    while let Some(at) = ["{{", "{%", "{#"].iter().filter_map(|open| rest.find(open)).min() {
        let wrong = |problem: &str| Wrong {
            line: 1 + text[..text.len() - rest.len() + at].matches('\n').count(),
            problem: problem.to_owned(),
        };
        let inside = &rest[at + 2..];
        rest = match rest.as_bytes().get(at + 1) {
            Some(b'#') => {
                let end = inside.find("#}").ok_or_else(|| wrong("the comment has no end"))?;
                &inside[end + 2..]
            }
            Some(b'%') => {
                let word: String = inside
                    .trim_start_matches(['-', '+'])
                    .trim_start()
                    .chars()
                    .take_while(char::is_ascii_alphabetic)
                    .collect();
                if !BLOCKS.contains(&word.as_str()) {
                    let known = BLOCKS.join(", ");
                    return Err(wrong(&format!("`{word}` is no block of templates here; there are {known}")));
                }
                expression(inside, "%}").map_err(|problem| wrong(&problem))?
            }
            _ => expression(inside, "}}").map_err(|problem| wrong(&problem))?,
        };
    }
    Ok(())
}

/// What follows an expression that is within the dialect.
fn expression<'t>(text: &'t str, end: &str) -> Result<&'t str, String> {
    let body_start = text.len() - text.trim_start_matches(['-', '+']).len();
    let mut quote = None;
    let mut skip = false;
    let mut depth = 0_u32;
    let mut before = ' ';
    for (at, character) in text.char_indices().skip_while(|(at, _)| *at < body_start.min(1)) {
        match quote {
            Some(_) if skip => skip = false,
            Some(_) if character == '\\' => skip = true,
            Some(open) if character == open => quote = None,
            None if text[at..].starts_with(end) => return Ok(&text[at + end.len()..]),
            None if character == '\'' || character == '"' => quote = Some(character),
            // Parentheses hold what a filter is given, and nothing else: elsewhere they, or a comma, make a list.
            None if character == '(' && before.is_ascii_alphanumeric() => depth += 1,
            None if character == ')' && depth > 0 => depth -= 1,
            None if REFUSED.contains(&character)
                || matches!(character, '(' | ')')
                || character == ',' && depth == 0 =>
            {
                return Err(format!("`{character}` cannot be used so in templates here"));
            }
            Some(_) | None => {}
        }
        before = character;
    }
    Err(format!("`{end}` is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_shows_and_repeats_is_within() {
        for text in [
            "",
            "C++ * 2 ~ 100% {not a tag}",
            "{{ headline }}",
            "{{- headline -}}",
            "{% if a > 1 and b == \"x ~ y }}\" %}{{ a|default('}}') }}{%- endif -%}",
            "{% for t in targets %}{{ t }}{% else %}none{% endfor %}",
            "{# a ~ b {{ #}",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        assert_eq!(check(super::super::default::TEXT), Ok(()));
        assert_eq!(check(super::super::default::HTML), Ok(()));
    }

    #[test]
    fn what_makes_values_is_not() {
        for text in [
            "{% set x = reason %}",
            "{%- set x %}{{ reason }}{% endset %}",
            "{% with x = 1 %}{% endwith %}",
            "{% macro m() %}{% endmacro %}",
            "{% filter upper %}{% endfilter %}",
            "{% autoescape false %}{% endautoescape %}",
            "{% include 'x' %}",
            "{% raw %}{% endraw %}",
            "{{ reason ~ reason }}",
            "{{ 'x' * 1000000 }}",
            "{{ reason + reason }}",
            "{{ '%999999999d' % 1 }}",
            "{{ {'a': 1} }}",
            "{% for x in [reason ~ reason] %}{% endfor %}",
            "{% for x in [reason] %}{% endfor %}",
            "{% for x in (reason, reason) %}{% endfor %}",
            "{% for x in reason, reason %}{% endfor %}",
            "{{ reason|default((reason, reason)) }}",
            "{{ reason|default (reason) }}",
            "{{ reason) }}",
            "{{+ reason + reason }}",
            "{{ \"\\\"\" ~ reason }}",
            "{{ unclosed",
            "{% if unclosed",
            "{# unclosed",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
        assert_eq!(check("a\nb\n{{ a ~ b }}").map_err(|wrong| wrong.line), Err(3));
    }
}
