//! Values: what is asked of a field, with its modifiers applied.

use crate::encode;
use crate::expression::{Expression, Leaf};
use crate::limits;
use crate::modifier::{Change, How, Modifiers};
use crate::pattern::Pattern;
use crate::problem::{Problem, shown};
use crate::regular;
use crate::test::{Test, network};
use crate::yaml::{Key, Node, Place, Yaml};

/// One field with its values. `name` is the key as it is written.
pub(crate) fn item(key: &Key, node: &Node) -> Result<Expression, Problem> {
    let mut words = key.text.split('|');
    let field = words.next().unwrap_or_default();
    let mut modifiers = Modifiers::read(words, key.place)?;
    let field = (!field.is_empty()).then(|| field.to_owned());
    if field.is_none() && modifiers.how == How::Text {
        // A word is looked for within values, not as one of them.
        modifiers.open(true, true, key.place)?;
    }
    let values: Vec<&Node> = match &node.value {
        Yaml::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    if values.is_empty() {
        return Err(Problem::at(node.place, format!("`{}` has no values", shown(&key.text))));
    }
    let mut items = Vec::with_capacity(values.len());
    for value in values {
        let tests = modifiers.tests(value, field.is_none())?;
        let leaf = |test| {
            let written = written(&key.text, value);
            Expression::Leaf(Leaf { field: field.clone(), test, written })
        };
        items.push(match tests {
            Tests::Any(tests) => Expression::any(tests.into_iter().map(leaf).collect()),
            Tests::Absent => Expression::Leaf(Leaf {
                field: field.clone(),
                test: Test::Exists(false),
                written: format!("{}: null", shown(&key.text)),
            }),
        });
    }
    let joined = if modifiers.all { Expression::all(items) } else { Expression::any(items) };
    Ok(if modifiers.negated { Expression::not(joined) } else { joined })
}

/// A text that may stand anywhere.
pub(crate) fn keyword(node: &Node) -> Result<Expression, Problem> {
    item(&Key { place: node.place, text: String::new() }, node)
}

fn written(key: &str, value: &Node) -> String {
    match &value.value {
        Yaml::Text(text) => format!("{key}: {text}"),
        _ => key.to_owned(),
    }
}

enum Tests {
    /// One of them; several where a modifier writes a text in several ways.
    Any(Vec<Test>),
    /// The field has no value.
    Absent,
}

impl Modifiers {
    fn tests(&self, node: &Node, is_keyword: bool) -> Result<Tests, Problem> {
        let Some(text) = self.text(node, is_keyword)? else { return Ok(Tests::Absent) };
        let wrong = |message: String| Problem::at(node.place, message);
        let test = match self.how {
            How::Text => return self.texts(text, node.place).map(Tests::Any),
            How::Regex => {
                regular::compile(text, self.flags).map(Box::new).map(Test::Regex).map_err(|message| {
                    wrong(message).hint(
                    "Look-around and back references are not taken: time must be in proportion to length.",
                )
                })?
            }
            How::Network => network(text).ok_or_else(|| {
                wrong(format!("`{}` is no network", shown(text)))
                    .hint("An address and a prefix, with no bit set behind it: 10.0.0.0/8, 2001:db8::/32.")
            })?,
            How::Exists => match text.to_ascii_lowercase().as_str() {
                "true" => Test::Exists(true),
                "false" => Test::Exists(false),
                _ => return Err(wrong("`exists` is true or false".to_owned())),
            },
            How::Field => Test::Field {
                name: text.to_owned(),
                starts: self.open_end,
                ends: self.open_start,
                cased: self.cased,
            },
            How::Number(comparison) => match text.parse::<f64>() {
                Ok(than) if than.is_finite() => Test::Number { comparison, than },
                _ => return Err(wrong(format!("`{}` is no number", shown(text)))),
            },
        };
        if is_keyword && !matches!(self.how, How::Regex) {
            return Err(wrong("this modifier needs the name of a field".to_owned()));
        }
        Ok(Tests::Any(vec![test]))
    }

    /// The value as it is written; `None` where it says that there is none.
    fn text<'a>(&self, node: &'a Node, is_keyword: bool) -> Result<Option<&'a str>, Problem> {
        let wrong = |message: &str| Problem::at(node.place, message);
        match &node.value {
            Yaml::Text(text) if text.len() > limits::VALUE => {
                Err(wrong(&format!("a value of more than {} bytes", limits::VALUE)))
            }
            Yaml::Text(text) => Ok(Some(text)),
            Yaml::Null if is_keyword => Err(wrong("nothing is no word to look for")),
            Yaml::Null
                if self.how != How::Text || self.open_start || self.open_end || !self.changes.is_empty() =>
            {
                Err(wrong("nothing (`null`) goes with no such modifier")
                    .hint("A text that reads `null` stands in quotes."))
            }
            Yaml::Null => Ok(None),
            Yaml::List(_) | Yaml::Map(_) => {
                Err(wrong("a value is a text, a number, a truth value or nothing"))
            }
        }
    }

    fn texts(&self, text: &str, place: Place) -> Result<Vec<Test>, Problem> {
        let wrong = |message: &str| Problem::at(place, message);
        if text.is_empty() && (self.open_start || self.open_end) {
            return Err(wrong("an empty text stands in every value"));
        }
        let mut texts = vec![text.to_owned()];
        if self.changes.first() == Some(&Change::Dashes) {
            texts = encode::dashes(text)
                .ok_or_else(|| wrong("`windash` takes three dashes in one value at most"))?;
        }
        let mut tests = Vec::new();
        for text in texts {
            for mut pattern in self.encoded(Pattern::read(&text), place)? {
                if self.open_start {
                    pattern.open_start();
                }
                if self.open_end {
                    pattern.open_end();
                }
                if pattern.too_wild() {
                    return Err(wrong(&format!("more than {} wildcards in one value", limits::WILDCARDS)));
                }
                tests.push(Test::Text { shape: pattern.shape(), cased: self.cased });
            }
        }
        Ok(tests)
    }

    /// What UTF-16 and base64 make of a text. Base64 is looked for with its letters' cases as they are only where `cased` says
    /// so, as Sigma has it.
    fn encoded(&self, pattern: Pattern, place: Place) -> Result<Vec<Pattern>, Problem> {
        let changes = self.changes.iter().filter(|change| **change != Change::Dashes);
        let changes: Vec<Change> = changes.copied().collect();
        if changes.is_empty() {
            return Ok(vec![pattern]);
        }
        let Some(bytes) = pattern.without_wildcards() else {
            return Err(Problem::at(place, "what is encoded cannot have wildcards"));
        };
        let mut all = vec![bytes.to_vec()];
        for change in changes {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let one = |bytes: Vec<u8>| match change {
                Change::Wide => vec![encode::wide(&text(&bytes))],
                Change::WideBig => vec![encode::wide_be(&text(&bytes))],
                Change::WideMarked => vec![[vec![0xFF, 0xFE], encode::wide(&text(&bytes))].concat()],
                Change::Base64 => vec![encode::base64(&bytes)],
                Change::Base64Offset => encode::base64_offsets(&bytes),
                Change::Dashes => vec![bytes],
            };
            all = all.into_iter().flat_map(one).collect();
        }
        if all.iter().any(Vec::is_empty) {
            return Err(Problem::at(place, "a text too short to be found when it is encoded"));
        }
        Ok(all.into_iter().map(Pattern::plain).collect())
    }
}
