//! Which records count: conditions on what stands at a path.

use regex::Regex;
use serde_json::Value;

use crate::expression::{paths, pattern};
use crate::path::Path;
use crate::value::scalar;
use crate::yaml::{Node, Problem};

const KEYS: &[&str] = &["at", "is", "not", "there", "from", "to", "match"];
/// Conditions of one list.
const MOST: usize = 64;

/// One condition. Where several values stand at its path, one that fits is enough.
#[derive(Clone, Debug)]
pub struct Condition {
    path: Path,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Is(Vec<String>),
    Not(Vec<String>),
    There(bool),
    Between { from: f64, to: f64 },
    Match(Regex),
}

/// A list of them.
pub fn conditions(node: Option<&Node>) -> Result<Vec<Condition>, Problem> {
    let Some(node) = node else { return Ok(Vec::new()) };
    if node.items().len() > MOST {
        return Err(Problem::at(node.place, format!("at most {MOST} conditions")));
    }
    node.items().iter().map(Condition::parse).collect()
}

impl Condition {
    fn parse(node: &Node) -> Result<Self, Problem> {
        let map = node.map("a condition", KEYS)?;
        let at = map.must("at")?;
        let path = paths(at)?.into_iter().next().ok_or_else(|| Problem::at(at.place, "a path is missing"))?;
        let number = |key: &str, default: f64| match map.get(key) {
            None => Ok(default),
            Some(node) => node
                .text("a bound")?
                .parse()
                .map_err(|_| Problem::at(node.place, format!("`{key}` is a number"))),
        };
        let mut tests = Vec::new();
        if let Some(is) = map.get("is") {
            tests.push(Test::Is(is.texts("`is`")?));
        }
        if let Some(not) = map.get("not") {
            tests.push(Test::Not(not.texts("`not`")?));
        }
        if let Some(there) = map.get("there") {
            tests.push(Test::There(match there.text("`there`")? {
                "true" | "yes" => true,
                "false" | "no" => false,
                _ => return Err(Problem::at(there.place, "`there` is true or false")),
            }));
        }
        if map.get("from").or_else(|| map.get("to")).is_some() {
            tests.push(Test::Between {
                from: number("from", f64::NEG_INFINITY)?,
                to: number("to", f64::INFINITY)?,
            });
        }
        if let Some(text) = map.get("match") {
            tests.push(Test::Match(pattern(text)?));
        }
        match (tests.pop(), tests.is_empty()) {
            (Some(test), true) => Ok(Self { path, test }),
            _ => Err(Problem::at(node.place, "a condition tests one thing")
                .hint("is, not, there, match, or from and to (numbers)")),
        }
    }

    pub fn holds(&self, record: &Value) -> bool {
        let found = self.path.find(record);
        let mut texts = found.iter().filter_map(|one| scalar(one.value));
        match &self.test {
            Test::There(there) => found.is_empty() != *there,
            Test::Is(words) => texts.any(|text| words.iter().any(|word| *word == text)),
            Test::Not(words) => !texts.any(|text| words.iter().any(|word| *word == text)),
            Test::Match(pattern) => texts.any(|text| pattern.is_match(&text)),
            Test::Between { from, to } => texts
                .any(|text| text.trim().parse().is_ok_and(|number: f64| number >= *from && number <= *to)),
        }
    }

    /// The path, and what was expected there.
    pub fn words(&self) -> String {
        let path = self.path.text();
        match &self.test {
            Test::There(true) => format!("{path} is missing"),
            Test::There(false) => format!("{path} is there"),
            Test::Is(words) => format!("{path} is not {}", words.join(" or ")),
            Test::Not(words) => format!("{path} is {}", words.join(" or ")),
            Test::Match(pattern) => format!("{path} does not match {pattern}"),
            Test::Between { from, to } => format!("{path} is not between {from} and {to}"),
        }
    }
}
