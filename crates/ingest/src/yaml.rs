//! YAML as far as packs need it: texts, lists and mappings, each with the place where it stands. Anchors and aliases are
//! refused: a pack has no use for them, and they are how a few bytes become gigabytes.

use saphyr_parser::{Event, Parser, Span};

/// Values in one pack.
const NODES: usize = 8_000;
/// Values within values.
const DEPTH: usize = 16;
/// One text. Bytes.
const LONGEST: usize = 16 << 10;

/// What is wrong with a pack, and where.
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
    pub(crate) fn at(place: Place, message: impl Into<String>) -> Self {
        Self { line: place.line, column: place.column, message: message.into(), hint: String::new() }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// Where something stands, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    line: usize,
    column: usize,
}

impl Place {
    pub const START: Self = Self { line: 1, column: 1 };

    fn of(span: Span) -> Self {
        Self { line: span.start.line().max(1), column: span.start.col() + 1 }
    }
}

/// One value.
#[derive(Clone, Debug)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Value {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Place, Node)>),
}

impl Node {
    /// A text; `what` says in the message what it is the text of.
    pub fn text(&self, what: &str) -> Result<&str, Problem> {
        match &self.value {
            Value::Text(text) => Ok(text),
            Value::List(_) | Value::Map(_) => Err(Problem::at(self.place, format!("{what} is a text"))),
        }
    }

    /// The elements of a list; anything else is a list of one.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Text(_) | Value::Map(_) => std::slice::from_ref(self),
        }
    }

    /// Texts of a list, or the one text that stands for a list of one.
    pub fn texts(&self, what: &str) -> Result<Vec<String>, Problem> {
        self.items().iter().map(|item| item.text(what).map(str::to_owned)).collect()
    }

    /// The entries of a mapping.
    pub fn entries(&self, what: &str) -> Result<&[(String, Place, Self)], Problem> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            Value::Text(_) | Value::List(_) => Err(Problem::at(self.place, format!("{what} is a mapping"))),
        }
    }

    /// How many paths and how many patterns stand in it, on all levels.
    pub fn census(&self) -> (usize, usize) {
        match &self.value {
            Value::Text(text) => (usize::from(text.starts_with('/')) + text.matches("{/").count(), 0),
            Value::List(items) => items.iter().map(Self::census).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
            Value::Map(entries) => entries.iter().fold((0, 0), |sum, (key, _, node)| {
                let (paths, patterns) = node.census();
                (sum.0 + paths, sum.1 + patterns + usize::from(key == "match"))
            }),
        }
    }

    /// A mapping that has no other keys than these.
    pub fn map(&self, what: &str, keys: &[&str]) -> Result<Map<'_>, Problem> {
        let entries = self.entries(what)?;
        for (key, place, _) in entries {
            if !keys.contains(&key.as_str()) {
                return Err(unknown(key, *place, what, keys));
            }
        }
        Ok(Map { place: self.place, entries })
    }
}

pub fn unknown(key: &str, place: Place, what: &str, keys: &[&str]) -> Problem {
    Problem::at(place, format!("{what} has no {}", crate::value::shown(key)))
        .hint(format!("There are {}.", keys.join(", ")))
}

/// A mapping whose keys are known.
pub struct Map<'a> {
    pub place: Place,
    entries: &'a [(String, Place, Node)],
}

impl<'a> Map<'a> {
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(name, ..)| name == key).map(|(.., node)| node)
    }

    pub fn must(&self, key: &str) -> Result<&'a Node, Problem> {
        self.get(key).ok_or_else(|| Problem::at(self.place, format!("`{key}` is missing")))
    }
}

/// The one document of a file.
pub fn document(text: &str) -> Result<Node, Problem> {
    let mut reader = Reader { parser: Parser::new_from_str(text), nodes: 0, last: Place::START };
    loop {
        match reader.next()? {
            (Event::StreamStart, _) => {}
            (Event::DocumentStart(_), _) => break,
            (_, place) => return Err(Problem::at(place, "the file is empty")),
        }
    }
    let (event, place) = reader.next()?;
    let node = reader.value(event, place, 0)?;
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(node),
            (Event::DocumentEnd, _) => {}
            (_, place) => return Err(Problem::at(place, "a file holds one pack")),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    nodes: usize,
    last: Place,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Problem> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, self.last)),
            Some(Ok((event, span))) => {
                self.last = Place::of(span);
                Ok((event, self.last))
            }
            Some(Err(error)) => {
                let place = Place { line: error.marker().line().max(1), column: error.marker().col() + 1 };
                Err(Problem::at(place, format!("not YAML: {}", error.info()))
                    .hint("Texts with `%`, `*`, `{`, `:` or `#` in them stand in quotes."))
            }
        }
    }

    fn value(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Problem> {
        self.nodes += 1;
        if self.nodes > NODES || depth > DEPTH {
            return Err(Problem::at(
                place,
                format!("more than {NODES} values, or {DEPTH} within each other"),
            ));
        }
        let value = match event {
            Event::Scalar(text, _, 0, _) if text.len() <= LONGEST => Value::Text(text.into_owned()),
            Event::Scalar(_, _, 0, _) => {
                return Err(Problem::at(place, format!("a text of more than {LONGEST} bytes")));
            }
            Event::SequenceStart(0, _) => Value::List(self.list(depth)?),
            Event::MappingStart(0, _) => Value::Map(self.pairs(depth)?),
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) => {
                return Err(Problem::at(place, "anchors and aliases (`&name`, `*name`) are not taken")
                    .hint("Write the value out; a text that begins with `*` or `&` stands in quotes."));
            }
            _ => return Err(Problem::at(place, "a value is missing here")),
        };
        Ok(Node { place, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, place) => items.push(self.value(event, place, depth + 1)?),
            }
        }
    }

    fn pairs(&mut self, depth: usize) -> Result<Vec<(String, Place, Node)>, Problem> {
        let mut pairs: Vec<(String, Place, Node)> = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(pairs);
            }
            let Value::Text(key) = self.value(event, place, depth + 1)?.value else {
                return Err(Problem::at(place, "a key is a plain word"));
            };
            if pairs.iter().any(|(other, ..)| *other == key) {
                return Err(Problem::at(place, format!("{} stands twice", crate::value::shown(&key))));
            }
            let (event, at) = self.next()?;
            pairs.push((key, place, self.value(event, at, depth + 1)?));
        }
    }
}
