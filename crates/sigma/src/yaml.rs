//! YAML as far as rules need it: scalars, lists and mappings, each with the place where it stands. Anchors and aliases are
//! refused: they are how a few bytes become gigabytes, and a rule can be written without them.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::limits;
use crate::problem::{Problem, shown};

/// Where something stands, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    fn of(span: Span) -> Self {
        Self { line: span.start.line().max(1), column: span.start.col() + 1 }
    }
}

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub place: Place,
    pub value: Yaml,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Yaml {
    /// Nothing: `null`, `~`, or nothing at all behind the colon.
    Null,
    /// A scalar, as it is written: what rules compare is text, whether it looks like a number or not.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order in which it is written, no key twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub place: Place,
    pub text: String,
}

impl Node {
    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Yaml::Null => "nothing",
            Yaml::Text(_) => "a text",
            Yaml::List(_) => "a list",
            Yaml::Map(_) => "a mapping",
        }
    }

    /// The text that it must be.
    pub fn text(&self, name: &str) -> Result<&str, Problem> {
        match &self.value {
            Yaml::Text(text) => Ok(text),
            _ => Err(Problem::at(self.place, format!("`{name}` is a text, not {}", self.kind()))),
        }
    }

    /// The texts that it must be; one alone stands for a list of one.
    pub fn texts(&self, name: &str) -> Result<Vec<(Place, &str)>, Problem> {
        match &self.value {
            Yaml::Null => Ok(Vec::new()),
            Yaml::Text(text) => Ok(vec![(self.place, text.as_str())]),
            Yaml::List(items) => items.iter().map(|item| Ok((item.place, item.text(name)?))).collect(),
            Yaml::Map(_) => Err(Problem::at(self.place, format!("`{name}` is a list of texts"))),
        }
    }

    /// The mapping that it must be.
    pub fn map(&self, name: &str) -> Result<&[(Key, Node)], Problem> {
        match &self.value {
            Yaml::Map(pairs) => Ok(pairs),
            _ => Err(Problem::at(self.place, format!("`{name}` is a mapping, not {}", self.kind()))),
        }
    }
}

/// The documents of a text, as many as could be read, and the fault at which reading ended.
pub(crate) fn documents(text: &str) -> (Vec<Node>, Option<Problem>) {
    let start = Place { line: 1, column: 1 };
    let mut documents = Vec::new();
    if text.len() > limits::TEXT {
        let problem = Problem::at(start, format!("a text of more than {} bytes", limits::TEXT));
        return (documents, Some(problem.hint("Hand the rules in as several texts.")));
    }
    let mut reader = Reader { parser: Parser::new_from_str(text), nodes: 0, last: start, index: 0 };
    loop {
        match reader.document() {
            Ok(Some(node)) => documents.push(node),
            Ok(None) => return (documents, None),
            Err(problem) => return (documents, Some(problem)),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    nodes: usize,
    last: Place,
    /// Where the last event ended. Characters from the start.
    index: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Problem> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, self.last)),
            Some(Ok((event, span))) => {
                self.last = Place::of(span);
                self.index = span.end.index();
                Ok((event, self.last))
            }
            Some(Err(error)) => {
                let place = Place { line: error.marker().line().max(1), column: error.marker().col() + 1 };
                Err(Problem::at(place, format!("not YAML: {}", error.info()))
                    .hint("Texts with `*`, `%`, `{`, `&`, `:` or `#` in them stand in quotes."))
            }
        }
    }

    /// The next document that is not empty.
    fn document(&mut self) -> Result<Option<Node>, Problem> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(None),
                (Event::DocumentStart(_), place) => {
                    let begin = self.index;
                    let node = self.node(0)?;
                    if self.index.saturating_sub(begin) > limits::DOCUMENT {
                        let message = format!("a document of more than {} characters", limits::DOCUMENT);
                        return Err(Problem::at(place, message));
                    }
                    // `---` without anything behind it is an empty document.
                    if !matches!(node.value, Yaml::Null) {
                        return Ok(Some(node));
                    }
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, depth: usize) -> Result<Node, Problem> {
        let (event, place) = self.next()?;
        self.value(event, place, depth)
    }

    fn value(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node, Problem> {
        self.nodes += 1;
        if self.nodes > limits::NODES {
            return Err(Problem::at(place, format!("more than {} values in one text", limits::NODES)));
        }
        if depth > limits::DEPTH {
            return Err(Problem::at(place, format!("more than {} levels of values", limits::DEPTH)));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                unanchored(anchor, place)?;
                if tag.is_some() {
                    return Err(Problem::at(place, "tags (`!!name`) are not taken"));
                }
                if text.len() > limits::DOCUMENT {
                    return Err(Problem::at(
                        place,
                        format!("a text of more than {} bytes", limits::DOCUMENT),
                    ));
                }
                let plain = matches!(style, ScalarStyle::Plain);
                let nothing = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                if nothing { Yaml::Null } else { Yaml::Text(text.into_owned()) }
            }
            Event::SequenceStart(anchor, _) => {
                unanchored(anchor, place)?;
                Yaml::List(self.list(depth)?)
            }
            Event::MappingStart(anchor, _) => {
                unanchored(anchor, place)?;
                Yaml::Map(self.map(depth)?)
            }
            Event::Alias(_) => return Err(anchored(place)),
            Event::DocumentEnd | Event::StreamEnd => Yaml::Null,
            _ => return Err(Problem::at(place, "a value is missing here")),
        };
        Ok(Node { place, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (Event::StreamEnd, place) => return Err(Problem::at(place, "the text ends within a list")),
                (event, place) => items.push(self.value(event, place, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Problem> {
        let mut pairs: Vec<(Key, Node)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Ok(pairs),
                (Event::Scalar(text, _, anchor, _), place) => {
                    unanchored(anchor, place)?;
                    Key { place, text: text.into_owned() }
                }
                (Event::StreamEnd, place) => {
                    return Err(Problem::at(place, "the text ends within a mapping"));
                }
                (Event::Alias(_), place) => return Err(anchored(place)),
                (_, place) => return Err(Problem::at(place, "a key is a plain word")),
            };
            if !seen.insert(key.text.clone()) {
                return Err(Problem::at(key.place, format!("`{}` stands twice", shown(&key.text)))
                    .hint("Of two keys with one name only one would count. Put the values into one list."));
            }
            let value = self.node(depth + 1)?;
            pairs.push((key, value));
        }
    }
}

fn unanchored(anchor: usize, place: Place) -> Result<(), Problem> {
    if anchor == 0 { Ok(()) } else { Err(anchored(place)) }
}

fn anchored(place: Place) -> Problem {
    Problem::at(place, "anchors and aliases (`&name`, `*name`) are not taken")
        .hint("Write the value out; a text that begins with `*` or `&` stands in quotes.")
}
