//! YAML as far as definitions need it: scalars, lists and mappings, each with the place where it stands. Anchors and
//! aliases are refused: the format has no use for them, and they are how a few bytes become gigabytes.

use saphyr_parser::{Event, Parser, Span};

/// Documents in one file at most.
const DOCUMENTS: usize = 5000;
/// Values in one file at most.
const NODES: usize = 400_000;
/// Values within values at most.
const DEPTH: usize = 12;
/// Bytes of one text at most.
const SCALAR: usize = 64 << 10;
/// Faults of one kind that are mended before reading ends.
const MENDED: usize = 8;

/// What is wrong with a file of definitions, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Error {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it; empty where nothing can be said.
    pub hint: String,
}

impl Error {
    /// Of something that stands there.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Self { line: place.line, column: place.column, message: message.into(), hint: String::new() }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// Where something stands, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    fn of(span: Span) -> Self {
        Self { line: span.start.line().max(1), column: span.start.col() + 1 }
    }
}

/// One value.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Value {
    /// A scalar, as it is written.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order in which it is written; a key may stand in it twice.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

/// The documents of a file.
///
/// # Errors
/// The first fault, with its place.
pub fn documents(text: &str) -> Result<Vec<Node>, Error> {
    let mut mended = std::borrow::Cow::Borrowed(text);
    for _ in 0..MENDED {
        match read(&mended) {
            Err(error) => match mend(&mended, &error) {
                Some(better) => mended = better.into(),
                None => return Err(error),
            },
            read => return read,
        }
    }
    read(&mended)
}

/// `{paths:['/x']}` is a fault in YAML 1.2, was none in YAML 1.1, and stands in collections that are in use: a space is
/// put behind such a colon.
fn mend(text: &str, error: &Error) -> Option<String> {
    let line = text.split_inclusive('\n').take(error.line - 1).map(str::len).sum::<usize>();
    let of_line = text.get(line..)?;
    let (at, colon) = of_line.char_indices().nth(error.column - 1)?;
    let behind = line + at + 1;
    let is_glued = colon == ':' && text.get(behind..)?.starts_with(['[', '{']);
    is_glued.then(|| [&text[..behind], &text[behind..]].join(" "))
}

fn read(text: &str) -> Result<Vec<Node>, Error> {
    let mut reader =
        Reader { parser: Parser::new_from_str(text), nodes: 0, last: Place { line: 1, column: 1 } };
    let mut documents = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(documents),
            (Event::DocumentStart(_), place) => {
                if documents.len() == DOCUMENTS {
                    return Err(Error::at(place, format!("more than {DOCUMENTS} definitions"))
                        .hint("Import them as several files."));
                }
                let node = reader.node(0)?;
                // `---` without anything behind it is an empty document.
                if !matches!(&node.value, Value::Text(text) if text.is_empty() || text == "~") {
                    documents.push(node);
                }
            }
            _ => {}
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    nodes: usize,
    last: Place,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Error> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, self.last)),
            Some(Ok((event, span))) => {
                self.last = Place::of(span);
                Ok((event, self.last))
            }
            Some(Err(error)) => {
                let place = Place { line: error.marker().line().max(1), column: error.marker().col() + 1 };
                Err(Error::at(place, format!("not YAML: {}", error.info()))
                    .hint("Texts with `%`, `*`, `{`, `:` or `#` in them stand in quotes."))
            }
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, Error> {
        let (event, place) = self.next()?;
        self.value(event, place, depth)
    }

    fn value(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Error> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(Error::at(place, format!("more than {NODES} values in one file")));
        }
        if depth > DEPTH {
            return Err(Error::at(place, format!("more than {DEPTH} levels of values within values")));
        }
        let value = match event {
            Event::Scalar(text, _, anchor, _) => {
                unanchored(anchor, place)?;
                if text.len() > SCALAR {
                    return Err(Error::at(place, format!("a text of more than {SCALAR} bytes")));
                }
                Value::Text(text.into_owned())
            }
            Event::SequenceStart(anchor, _) => {
                unanchored(anchor, place)?;
                Value::List(self.list(depth)?)
            }
            Event::MappingStart(anchor, _) => {
                unanchored(anchor, place)?;
                Value::Map(self.map(depth)?)
            }
            Event::Alias(_) => return Err(anchored(place)),
            Event::DocumentEnd | Event::StreamEnd => Value::Text(String::new()),
            _ => return Err(Error::at(place, "a value is missing here")),
        };
        Ok(Node { place, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Error> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (Event::StreamEnd, place) => return Err(Error::at(place, "the file ends within a list")),
                (event, place) => items.push(self.value(event, place, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Node, Node)>, Error> {
        let mut pairs = Vec::new();
        loop {
            match self.next()? {
                (Event::MappingEnd, _) => return Ok(pairs),
                (Event::StreamEnd, place) => return Err(Error::at(place, "the file ends within a mapping")),
                (event, place) => {
                    let key = self.value(event, place, depth + 1)?;
                    pairs.push((key, self.node(depth + 1)?));
                }
            }
        }
    }
}

fn unanchored(anchor: usize, place: Place) -> Result<(), Error> {
    if anchor == 0 { Ok(()) } else { Err(anchored(place)) }
}

fn anchored(place: Place) -> Error {
    Error::at(place, "anchors and aliases (`&name`, `*name`) are not taken")
        .hint("Write the value out; a text that begins with `*` or `&` stands in quotes.")
}
