//! A pack: what one product writes, and how it becomes an event. Checked wholly when it is loaded; reading cannot fail for want
//! of anything in it.

use crate::builtin;
use crate::condition::{Condition, conditions};
use crate::expression::Expression;
use crate::field::EVENT;
use crate::group::{Group, timeless};
use crate::observable::{Rule, rules};
use crate::path::Path;
use crate::read::{Limits, Read};
use crate::yaml::{Map, Node, Place, Problem, document};

/// A pack. Bytes.
pub const MOST_BYTES: usize = 128 << 10;
/// A name. Bytes.
const LONGEST_NAME: usize = 32;
/// Title, description. Bytes.
const LONGEST_TEXT: usize = 4096;
/// Texts that count as nothing.
const MOST_MISSING: usize = 32;
/// Each path may visit every value of a record, and each pattern every letter of a text.
const MOST_PATHS: usize = 512;
const MOST_PATTERNS: usize = 64;
const KEYS: &[&str] =
    &["source", "title", "description", "records", "expect", "take", "skip", "missing", "event"];

/// How records of one product become events.
#[derive(Clone, Debug)]
pub struct Pack {
    pub(crate) source: String,
    pub(crate) title: String,
    description: String,
    yaml: String,
    /// Keys of the member that holds the records, where they come in bundles.
    pub(crate) records: Vec<String>,
    /// What every record of this product has.
    pub(crate) expect: Vec<Condition>,
    /// Which of its records count.
    pub(crate) take: Vec<Condition>,
    /// Which of those do not.
    pub(crate) skip: Vec<Condition>,
    pub(crate) missing: Vec<String>,
    pub(crate) at: Expression,
    pub(crate) heading: Expression,
    pub(crate) group: Group,
    pub(crate) observables: Vec<Rule>,
}

impl Pack {
    /// Reads a pack.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its place.
    pub fn load(yaml: &str) -> Result<Self, Problem> {
        if yaml.len() > MOST_BYTES {
            return Err(Problem::at(Place::START, format!("a pack has at most {MOST_BYTES} bytes")));
        }
        let node = document(yaml)?;
        let (paths, patterns) = node.census();
        if paths > MOST_PATHS || patterns > MOST_PATTERNS {
            let most = format!("a pack has at most {MOST_PATHS} paths and {MOST_PATTERNS} patterns");
            return Err(Problem::at(node.place, most));
        }
        let map = node.map("a pack", KEYS)?;
        let event = map.must("event")?;
        let others = ["at", "title", "observables"];
        let group = Group::parse(event, "an event", &EVENT, &others)?;
        let of_event = |key: &str| event.entries("`event`").ok()?.iter().find(|(name, ..)| name == key);
        let must = |key: &str| match of_event(key) {
            Some((.., node)) => Ok(node),
            None => Err(Problem::at(event.place, format!("`{key}` is missing"))
                .hint("Every event has `at` and `title`.")),
        };
        Ok(Self {
            source: name(map.must("source")?)?,
            title: words(map.must("title")?, "`title`")?,
            description: map
                .get("description")
                .map_or(Ok(String::new()), |node| words(node, "`description`"))?,
            yaml: yaml.to_owned(),
            records: bundle(&map)?,
            expect: conditions(map.get("expect"))?,
            take: conditions(map.get("take"))?,
            skip: conditions(map.get("skip"))?,
            missing: missing(map.get("missing"))?,
            at: Expression::parse(must("at")?)?,
            heading: timeless(must("title")?)?,
            group,
            observables: rules(of_event("observables").map(|(.., node)| node))?,
        })
    }

    /// The packs that are known from the start.
    pub fn builtin() -> &'static [Self] {
        builtin::packs()
    }

    /// One of them, by its source.
    pub fn named(source: &str) -> Option<&'static Self> {
        Self::builtin().iter().find(|pack| pack.source == source)
    }

    /// The events of a body: one object, an array of objects, or one a line. Each record succeeds, is passed over or is refused
    /// by itself.
    pub fn read<'a>(&'a self, body: &'a [u8], limits: Limits) -> Read<'a> {
        Read::new(self, body, limits)
    }

    /// Its name: what stands in the events and in the address to which records are sent. Lower case letters, digits and dashes.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The product's name.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What it takes, and what it leaves.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// As it was loaded.
    pub fn yaml(&self) -> &str {
        &self.yaml
    }
}

fn name(node: &Node) -> Result<String, Problem> {
    let text = node.text("`source`")?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if starts && text.len() <= LONGEST_NAME && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err(Problem::at(node.place, "not a name of a source")
        .hint(format!("Lower case letters, digits and dashes, a letter first, {LONGEST_NAME} at most.")))
}

fn words(node: &Node, what: &str) -> Result<String, Problem> {
    let text = node.text(what)?.trim();
    if text.len() > LONGEST_TEXT {
        return Err(Problem::at(node.place, format!("{what} has at most {LONGEST_TEXT} bytes")));
    }
    Ok(text.to_owned())
}

fn bundle(map: &Map<'_>) -> Result<Vec<String>, Problem> {
    let Some(node) = map.get("records") else { return Ok(Vec::new()) };
    let path = Path::parse(node.text("`records`")?).map_err(|why| Problem::at(node.place, why))?;
    path.keys().ok_or_else(|| Problem::at(node.place, "`records` is a path of keys alone"))
}

fn missing(node: Option<&Node>) -> Result<Vec<String>, Problem> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let texts = node.texts("`missing`")?;
    if texts.len() > MOST_MISSING {
        return Err(Problem::at(node.place, format!("at most {MOST_MISSING} texts count as nothing")));
    }
    Ok(texts)
}
