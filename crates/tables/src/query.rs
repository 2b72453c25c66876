//! Queries of a library: a file of YAML that says what is asked and why.
//!
//! ```yaml
//! title: Programs that run from memory alone
//! description: Processes whose executable was removed while it runs.
//! platform: linux
//! attack: [T1620, T1070.004]
//! sql: |
//!   SELECT pid, path FROM processes WHERE on_disk = 0
//! ```

use saphyr_parser::{Event, Parser, Span};

use crate::session::LONGEST_SQL;
use crate::statement;

/// A file. Bytes.
const LONGEST: usize = 128 << 10;
/// A text beside the statement. Bytes.
const LONGEST_TEXT: usize = 4096;
/// Techniques, platforms.
const MOST: usize = 32;
const KEYS: &[&str] = &["title", "description", "platform", "attack", "sql"];

/// A query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// What it finds, in a few words.
    pub title: String,
    /// What a row means, and what to do about it.
    pub description: String,
    /// Systems on which it means something; `linux` where nothing is said.
    pub platform: Vec<String>,
    /// Techniques of MITRE ATT&CK.
    pub attack: Vec<String>,
    /// One `SELECT`.
    pub sql: String,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it; empty where nothing can be said.
    pub hint: String,
}

impl Problem {
    fn at(span: Span, message: impl Into<String>) -> Self {
        let (line, column) = (span.start.line().max(1), span.start.col() + 1);
        Self { line, column, message: message.into(), hint: String::new() }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    fn whole(message: impl Into<String>) -> Self {
        Self { line: 1, column: 1, message: message.into(), hint: String::new() }
    }
}

/// Reads a query. Nothing is run, and the statement is not looked into beyond that it is one.
pub fn parse(text: &str) -> Result<Query, Problem> {
    if text.len() > LONGEST {
        return Err(Problem::whole(format!("longer than {LONGEST} bytes")));
    }
    let query = Reader { parser: Parser::new_from_str(text) }.read()?;
    for (name, value) in [("title", &query.title), ("sql", &query.sql)] {
        if value.trim().is_empty() {
            return Err(Problem::whole(format!("`{name}` is missing"))
                .hint("A query has title, description, platform, attack and sql."));
        }
    }
    match statement::only(&query.sql) {
        Some(only) if only.len() <= LONGEST_SQL => Ok(query),
        Some(_) => Err(Problem::whole(format!("`sql` is longer than {LONGEST_SQL} bytes"))),
        None => Err(Problem::whole("`sql` holds several statements").hint("Make a query of each.")),
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.parser.next_event() {
            None => Err(Problem::whole("it ends too soon")),
            Some(Err(error)) => {
                let (line, column) = (error.marker().line().max(1), error.marker().col() + 1);
                Err(Problem { line, column, message: error.info().to_owned(), hint: String::new() })
            }
            Some(Ok(event)) => Ok(event),
        }
    }

    fn read(mut self) -> Result<Query, Problem> {
        let mut query = Query::default();
        let mut seen: Vec<String> = Vec::new();
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (Event::MappingStart(..), _) => break,
                (_, span) => {
                    return Err(Problem::at(span, "a query begins with a key").hint("title: …"));
                }
            }
        }
        loop {
            let (key, span) = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(key, ..), span) => (key.into_owned(), span),
                (_, span) => return Err(Problem::at(span, "a key is a plain word")),
            };
            if seen.contains(&key) {
                return Err(Problem::at(span, format!("`{}` stands twice", shown(&key))));
            }
            match key.as_str() {
                "title" => query.title = self.text(&key, LONGEST_TEXT)?,
                "description" => query.description = self.text(&key, LONGEST_TEXT)?,
                "sql" => query.sql = self.text(&key, LONGEST)?,
                "platform" => query.platform = self.list(&key)?,
                "attack" => query.attack = self.list(&key)?,
                _ => {
                    let near = crate::hint::nearest(&key, KEYS);
                    let meant = near.map(|near| format!("Did you mean `{near}`? ")).unwrap_or_default();
                    return Err(Problem::at(span, format!("there is no `{}`", shown(&key)))
                        .hint(format!("{meant}There are {}.", KEYS.join(", "))));
                }
            }
            seen.push(key);
        }
        if query.platform.is_empty() {
            query.platform.push("linux".to_owned());
        }
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(query),
                (Event::DocumentEnd, _) => {}
                (_, span) => return Err(Problem::at(span, "a file holds one query")),
            }
        }
    }

    fn text(&mut self, key: &str, most: usize) -> Result<String, Problem> {
        match self.next()? {
            (Event::Scalar(text, _, 0, _), _) if text.len() <= most => Ok(text.into_owned()),
            // Anchors and aliases are how a few bytes become gigabytes; a query has no use for them.
            (Event::Scalar(_, _, 1.., _), span) => Err(Problem::at(span, "anchors are not read here")),
            (Event::Scalar(..), span) => Err(Problem::at(span, format!("`{key}` is too long"))),
            (_, span) => Err(Problem::at(span, format!("`{key}` is a text"))),
        }
    }

    /// A list, or the one text that stands for a list of one.
    fn list(&mut self, key: &str) -> Result<Vec<String>, Problem> {
        let mut items = Vec::new();
        match self.next()? {
            (Event::Scalar(text, ..), span) if text.len() > LONGEST_TEXT => {
                return Err(Problem::at(span, format!("`{key}` is too long")));
            }
            (Event::Scalar(text, ..), _) => {
                items.extend(text.split(',').map(|item| item.trim().to_owned()));
                items.truncate(MOST);
                return Ok(items);
            }
            (Event::SequenceStart(..), _) => {}
            (_, span) => return Err(Problem::at(span, format!("`{key}` is a list"))),
        }
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (Event::Scalar(text, ..), _) if items.len() < MOST && text.len() <= LONGEST_TEXT => {
                    items.push(text.into_owned());
                }
                (_, span) => return Err(Problem::at(span, format!("`{key}` is a short list of words"))),
            }
        }
    }
}

fn shown(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_query_is_read_and_a_mistake_is_told_with_its_place() {
        let text =
            "title: a\ndescription: >\n  long\n  text\nattack: [T1059, T1070.004]\nsql: |\n  SELECT 1\n";
        let query = parse(text).unwrap();
        assert_eq!((query.title.as_str(), query.sql.as_str()), ("a", "SELECT 1\n"));
        assert_eq!(
            (query.attack, query.platform),
            (vec!["T1059".to_owned(), "T1070.004".to_owned()], vec!["linux".to_owned()])
        );
        for (text, line, words) in [
            ("title: a\nsqll: x\n", 2, "there is no `sqll`"),
            ("title: a\ntitle: b\n", 2, "stands twice"),
            ("title: a\n", 1, "`sql` is missing"),
            ("title: a\nsql: SELECT 1; SELECT 2\n", 1, "several statements"),
            ("title: a\nsql: [x]\n", 2, "`sql` is a text"),
            ("- a\n", 1, "begins with a key"),
            ("title: &a x\nsql: *a\n", 1, "anchors"),
            ("title: a\nsql: SELECT 1\n---\ntitle: b\n", 3, "one query"),
            ("title: [a\n", 0, ""),
            ("", 1, ""),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(line == 0 || problem.line == line, "{text:?}: {problem}");
            assert!(problem.message.contains(words), "{text:?}: {problem}");
        }
    }
}
