//! How a field of the event is read from a record: paths in the order in which they are tried, and what is done with what is
//! found there. An expression always ends, and always has the same value for the same record.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::path::{Found, Path};
use crate::template::Template;
use crate::time::Format;
use crate::value::{kind, scalar};
use crate::yaml::{self, Node, Problem};

/// A pattern. Bytes of its text, and of what it is compiled to.
const LONGEST_PATTERN: usize = 512;
const LARGEST_PATTERN: usize = 256 << 10;
/// How much of a text a pattern looks at. Bytes.
const SEARCHED: usize = 16 << 10;
/// Alternatives, entries of a map.
const MOST: usize = 256;
/// Elements that are joined to one text. Bytes.
const LONGEST_JOINED: usize = 16 << 10;
const KEYS: &[&str] = &["from", "text", "value", "missing", "match", "map", "steps", "join", "time", "or"];

/// How a field is read.
#[derive(Clone, Debug)]
pub struct Expression {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    what: What,
    missing: Vec<String>,
    pattern: Option<Regex>,
    change: Change,
    join: Option<String>,
    time: Format,
    or: Option<String>,
}

#[derive(Clone, Debug)]
enum What {
    Paths(Vec<Path>),
    Text(Template),
    Constant(String),
}

#[derive(Clone, Debug)]
enum Change {
    None,
    /// By the text in lower case.
    Map(BTreeMap<String, String>),
    /// From this number upwards; in descending order.
    Steps(Vec<(f64, String)>),
}

/// Whether a field takes one value or all that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    One,
    All,
}

/// Where an expression is read.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The record, or the part of it to which paths are relative.
    pub base: &'a Value,
    /// The pointer of that part.
    pub prefix: &'a str,
    /// Texts that count as nothing everywhere in the pack.
    pub missing: &'a [String],
}

/// A value, and where it stood.
#[derive(Clone, Debug)]
pub struct Got<'a> {
    pub text: Cow<'a, str>,
    pub pointer: String,
    pub time: &'a Format,
}

/// What was there and could not be taken: pointer and words.
pub type Complaint = (String, String);

impl Expression {
    pub fn parse(node: &Node) -> Result<Self, Problem> {
        let items = node.items();
        if items.is_empty() || items.len() > MOST {
            return Err(Problem::at(node.place, format!("one to {MOST} alternatives")));
        }
        Ok(Self { parts: items.iter().map(Part::parse).collect::<Result<_, _>>()? })
    }

    /// Whether a format of times is named, which only a time has a use for.
    pub fn is_of_time(&self) -> bool {
        self.parts.iter().any(|part| part.time != Format::Guess)
    }

    /// Where the value would stand, for a message.
    pub fn places(&self) -> String {
        let places = self.parts.iter().flat_map(|part| match &part.what {
            What::Paths(paths) => paths.iter().map(Path::text).collect(),
            What::Text(template) => vec![template.first()],
            What::Constant(_) => Vec::new(),
        });
        places.take(8).collect::<Vec<_>>().join(", ")
    }

    /// The value, or the values. Of alternatives the first that has a value counts where one is wanted, and all count where
    /// all are.
    pub fn read<'a>(
        &'a self,
        scope: Scope<'a>,
        wanted: Wanted,
        complaints: &mut Vec<Complaint>,
    ) -> Vec<Got<'a>> {
        let mut all = Vec::new();
        for part in &self.parts {
            all.extend(part.read(scope, wanted, complaints));
            if wanted == Wanted::One && !all.is_empty() {
                all.truncate(1);
                break;
            }
        }
        all
    }
}

impl Part {
    fn parse(node: &Node) -> Result<Self, Problem> {
        if let yaml::Value::Text(text) = &node.value {
            let path = Path::parse(text).map_err(|why| {
                Problem::at(node.place, why)
                    .hint("A constant is written {value: …}, a text with paths in it {text: …}.")
            })?;
            return Ok(Self::of(What::Paths(vec![path])));
        }
        let map = node.map("a value", KEYS)?;
        let what = match (map.get("from"), map.get("text"), map.get("value")) {
            (Some(from), None, None) => What::Paths(paths(from)?),
            (None, Some(text), None) => {
                What::Text(Template::parse(text.text("`text`")?).map_err(|why| Problem::at(text.place, why))?)
            }
            (None, None, Some(value)) => What::Constant(value.text("`value`")?.to_owned()),
            _ => return Err(Problem::at(node.place, "a value has one of `from`, `text` and `value`")),
        };
        let mut part = Self::of(what);
        part.change = change(&map)?;
        if let Some(missing) = map.get("missing") {
            part.missing = missing.texts("`missing`")?;
        }
        if let Some(text) = map.get("match") {
            part.pattern = Some(pattern(text)?);
        }
        if let Some(time) = map.get("time") {
            part.time = Format::parse(time.text("`time`")?).map_err(|why| Problem::at(time.place, why))?;
        }
        part.join = map.get("join").map(|join| join.text("`join`")).transpose()?.map(str::to_owned);
        part.or = map.get("or").map(|or| or.text("`or`")).transpose()?.map(str::to_owned);
        Ok(part)
    }

    fn of(what: What) -> Self {
        Self {
            what,
            missing: Vec::new(),
            pattern: None,
            change: Change::None,
            join: None,
            time: Format::Guess,
            or: None,
        }
    }

    fn read<'a>(&'a self, scope: Scope<'a>, wanted: Wanted, complaints: &mut Vec<Complaint>) -> Vec<Got<'a>> {
        let mut got = Vec::new();
        match &self.what {
            What::Constant(text) => got.push(self.got(Cow::Borrowed(text), String::new())),
            What::Text(template) => {
                let text = template.fill(scope.base, |value| self.counts(scope, value));
                let text = text.and_then(|text| self.changed(Cow::Owned(text)));
                got.extend(text.map(|text| self.got(text, [scope.prefix, template.first()].concat())));
            }
            What::Paths(paths) => match &self.join {
                Some(join) => got.extend(self.joined(paths, join, scope)),
                None => got = self.first(paths, scope, wanted, complaints),
            },
        }
        if got.is_empty() {
            got.extend(self.or.as_deref().map(|or| self.got(Cow::Borrowed(or), String::new())));
        }
        got
    }

    /// The values at the first of the paths that has one.
    fn first<'a>(
        &'a self,
        paths: &[Path],
        scope: Scope<'a>,
        wanted: Wanted,
        complaints: &mut Vec<Complaint>,
    ) -> Vec<Got<'a>> {
        let mut got = Vec::new();
        for path in paths {
            for found in path.find(scope.base) {
                let pointer = || [scope.prefix, &path.pointer(&found)].concat();
                let (texts, wrong) = taken(&found, wanted);
                let texts = texts.into_iter().filter(|text| self.counts(scope, text));
                let texts = texts.filter_map(|text| self.changed(text));
                got.extend(texts.map(|text| self.got(text, pointer())));
                complaints.extend(wrong.map(|why| (pointer(), why)));
            }
            if !got.is_empty() {
                break;
            }
        }
        got
    }

    /// The values at all of the paths, as one text.
    fn joined<'a>(&'a self, paths: &[Path], join: &str, scope: Scope<'a>) -> Option<Got<'a>> {
        let mut joined = String::new();
        let mut pointer = None;
        for (path, found) in
            paths.iter().flat_map(|path| path.find(scope.base).into_iter().map(move |one| (path, one)))
        {
            for text in taken(&found, Wanted::All).0.into_iter().filter(|text| self.counts(scope, text)) {
                let separator = if joined.is_empty() { "" } else { join };
                if joined.len() + separator.len() + text.len() > LONGEST_JOINED {
                    break;
                }
                joined.push_str(separator);
                joined.push_str(&text);
                pointer.get_or_insert_with(|| [scope.prefix, &path.pointer(&found)].concat());
            }
        }
        Some(self.got(self.changed(Cow::Owned(joined))?, pointer?))
    }

    fn got<'a>(&'a self, text: Cow<'a, str>, pointer: String) -> Got<'a> {
        Got { text, pointer, time: &self.time }
    }

    fn counts(&self, scope: Scope<'_>, text: &str) -> bool {
        !text.is_empty() && !self.missing.iter().chain(scope.missing).any(|missing| missing == text)
    }

    fn changed<'a>(&'a self, text: Cow<'a, str>) -> Option<Cow<'a, str>> {
        let text = match &self.pattern {
            None => text,
            Some(pattern) => {
                let searched = text.get(..text.floor_char_boundary(SEARCHED))?;
                let groups = pattern.captures(searched)?;
                let matched = groups.get(1).or_else(|| groups.get(0))?.as_str().to_owned();
                Some(Cow::Owned(matched)).filter(|matched: &Cow<'_, str>| !matched.is_empty())?
            }
        };
        match &self.change {
            Change::None => Some(text),
            Change::Map(map) => map.get(&text.to_ascii_lowercase()).map(|to| Cow::Borrowed(to.as_str())),
            Change::Steps(steps) => {
                let number: f64 = text.trim().parse().ok()?;
                steps.iter().find(|(from, _)| number >= *from).map(|(_, to)| Cow::Borrowed(to.as_str()))
            }
        }
    }
}

/// The texts that a value of the record holds, and what is wrong with what it holds besides.
fn taken<'a>(found: &Found<'a>, wanted: Wanted) -> (Vec<Cow<'a, str>>, Option<String>) {
    let one = std::slice::from_ref(found.value);
    let items = match found.value {
        Value::Array(items) if wanted == Wanted::All || items.len() <= 1 => items,
        _ => one,
    };
    let wrong = items.iter().find(|item| item.is_array() || item.is_object());
    let wrong = wrong.map(|item| format!("a text or a number was expected, {} is there", kind(item)));
    (items.iter().filter_map(scalar).collect(), wrong)
}

/// Paths of a list, or the one.
pub fn paths(node: &Node) -> Result<Vec<Path>, Problem> {
    let items = node.items();
    if items.is_empty() || items.len() > MOST {
        return Err(Problem::at(node.place, format!("one to {MOST} paths")));
    }
    let path = |item: &Node| Path::parse(item.text("a path")?).map_err(|why| Problem::at(item.place, why));
    items.iter().map(path).collect()
}

/// A pattern whose size is bounded; matching takes time proportional to the text.
pub fn pattern(node: &Node) -> Result<Regex, Problem> {
    let text = node.text("`match`")?;
    if text.len() > LONGEST_PATTERN {
        return Err(Problem::at(node.place, format!("a pattern has at most {LONGEST_PATTERN} bytes")));
    }
    let built = RegexBuilder::new(text).size_limit(LARGEST_PATTERN).dfa_size_limit(LARGEST_PATTERN).build();
    built.map_err(|error| {
        let words = error.to_string();
        let last = words.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Problem::at(node.place, format!("not a pattern: {last}"))
    })
}

fn change(map: &yaml::Map<'_>) -> Result<Change, Problem> {
    match (map.get("map"), map.get("steps")) {
        (None, None) => Ok(Change::None),
        (Some(entries), None) => {
            let mut table = BTreeMap::new();
            for (key, _, to) in entries.entries("`map`")? {
                table.insert(key.to_ascii_lowercase(), to.text("what a map leads to")?.to_owned());
            }
            Ok(Change::Map(table))
        }
        (None, Some(entries)) => {
            let mut steps = Vec::new();
            for (key, place, to) in entries.entries("`steps`")? {
                let from: f64 =
                    key.parse().map_err(|_| Problem::at(*place, "a step begins with a number"))?;
                steps.push((from, to.text("what a step leads to")?.to_owned()));
            }
            steps.sort_by(|(one, _), (other, _)| other.total_cmp(one));
            Ok(Change::Steps(steps))
        }
        (Some(_), Some(_)) => Err(Problem::at(map.place, "either `map` or `steps`")),
    }
}
