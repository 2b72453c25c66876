//! What a rule says about itself: who wrote it, what it finds, how bad that is.

use uuid::Uuid;

use crate::problem::{Problem, nearest, shown};
use crate::record::{Record, Value};
use crate::scope::Scope;
use crate::yaml::{Key, Node, Place, Yaml};

/// Keys that Sigma defines for rules, correlations and filters, and ours: `tests`.
const KEYS: &[&str] = &[
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "logsource",
    "detection",
    "correlation",
    "filter",
    "fields",
    "falsepositives",
    "level",
    "tags",
    "scope",
    "tests",
];
/// A text of a rule's header. Bytes.
const LONGEST: usize = 8 << 10;
/// Items of a list in a rule's header.
const MOST: usize = 100;

/// How bad it is, if it is what it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing bad; context for something else.
    Informational,
    /// Worth a look when there is time.
    Low,
    /// Worth a look; where nothing is said.
    Medium,
    /// To be looked at today.
    High,
    /// To be looked at now.
    Critical,
}

impl Level {
    /// As Sigma writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    fn read(text: &str) -> Option<Self> {
        let all = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];
        all.into_iter().find(|level| level.name() == text)
    }
}

/// How far a rule has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// May cry wolf.
    Experimental,
    /// Mostly right.
    Test,
    /// Proven in use.
    Stable,
}

/// A rule, a correlation or a filter, as it presents itself.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What exclusions and answers name it by.
    pub id: Uuid,
    /// What it finds, in a few words.
    pub title: String,
    /// Another name for correlations to use; empty where it has none.
    pub name: String,
    /// How bad it is.
    pub level: Level,
    /// How far it has come; `experimental` where nothing is said.
    pub status: Status,
    /// What a hit means; may be empty.
    pub description: String,
    /// Who wrote it; may be empty.
    pub author: String,
    /// Where more is written.
    pub references: Vec<String>,
    /// What else looks like that.
    pub falsepositives: Vec<String>,
    /// As written, with their name spaces.
    pub tags: Vec<String>,
    /// Techniques of MITRE ATT&CK among the tags: `T1059.004`.
    pub techniques: Vec<String>,
    /// Category of the records that it is matched over; of a correlation, empty.
    pub category: String,
    /// Events of its own that must hit, and such that must not.
    pub tests: Tests,
    /// Which of the texts that were handed in, from 0.
    pub text: usize,
    /// Where it begins there, from 1.
    pub line: usize,
    /// Its own hits are an alert; not where a correlation counts them and does not say `generate`.
    pub alerts: bool,
    /// Its place in the set.
    pub(crate) number: u32,
}

/// Events beside a rule, written by whoever wrote it.
#[derive(Clone, Debug, Default)]
pub struct Tests {
    /// Each must hit.
    pub hits: Vec<Event>,
    /// None may hit.
    pub misses: Vec<Event>,
}

/// An event as a rule's tests write it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Name and value.
    pub fields: Vec<(String, String)>,
}

impl Record for Event {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        self.fields.field(name)
    }

    fn each(&self, visit: &mut dyn FnMut(&str, Value<'_>)) {
        self.fields.each(visit);
    }
}

/// The value of a key.
pub(crate) fn get<'a>(pairs: &'a [(Key, Node)], name: &str) -> Option<&'a Node> {
    pairs.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
}

/// The header of a document. Remarks are added to `problems`.
pub(crate) fn read(
    place: Place,
    pairs: &[(Key, Node)],
    scope: &Scope,
    problems: &mut Vec<Problem>,
) -> Result<Rule, Problem> {
    for (key, _) in pairs {
        if !KEYS.contains(&key.text.as_str()) {
            let meant = nearest(&key.text, KEYS.iter().copied());
            let hint = meant.map(|name| format!("Did you mean `{name}`?")).unwrap_or_default();
            let problem = Problem::at(key.place, format!("`{}` has no meaning here", shown(&key.text)));
            problems.push(problem.hint(hint).remark());
        }
    }
    let title = text(pairs, "title")?;
    if title.trim().is_empty() {
        return Err(Problem::at(place, "`title` is missing"));
    }
    let tags = list(pairs, "tags")?;
    Ok(Rule {
        id: id(place, pairs)?,
        title,
        name: text(pairs, "name")?,
        level: level(pairs)?,
        status: status(pairs)?,
        description: text(pairs, "description")?,
        author: text(pairs, "author")?,
        references: list(pairs, "references")?,
        falsepositives: list(pairs, "falsepositives")?,
        techniques: tags.iter().filter_map(|tag| technique(tag)).collect(),
        tags,
        category: match get(pairs, "logsource") {
            Some(node) => category(node, scope)?,
            None => String::new(),
        },
        tests: tests(pairs)?,
        text: 0,
        line: place.line,
        alerts: true,
        number: 0,
    })
}

fn id(place: Place, pairs: &[(Key, Node)]) -> Result<Uuid, Problem> {
    let hint = "A random one will do, as `uuidgen` makes it. Answers and exclusions name the rule by it.";
    let Some(node) = get(pairs, "id") else {
        return Err(Problem::at(place, "`id` is missing").hint(hint));
    };
    Uuid::parse_str(node.text("id")?).map_err(|_| Problem::at(node.place, "`id` is a UUID").hint(hint))
}

fn level(pairs: &[(Key, Node)]) -> Result<Level, Problem> {
    let Some(node) = get(pairs, "level") else { return Ok(Level::Medium) };
    let text = node.text("level")?;
    Level::read(text).ok_or_else(|| {
        Problem::at(node.place, format!("there is no level `{}`", shown(text)))
            .hint("There are informational, low, medium, high and critical.")
    })
}

fn status(pairs: &[(Key, Node)]) -> Result<Status, Problem> {
    let Some(node) = get(pairs, "status") else { return Ok(Status::Experimental) };
    match node.text("status")? {
        "stable" => Ok(Status::Stable),
        "test" => Ok(Status::Test),
        "experimental" => Ok(Status::Experimental),
        text @ ("deprecated" | "unsupported") => {
            Err(Problem::at(node.place, format!("the rule says of itself that it is {text}")))
        }
        text => Err(Problem::at(node.place, format!("there is no status `{}`", shown(text)))
            .hint("There are stable, test, experimental, deprecated and unsupported.")),
    }
}

/// What the records are called that a rule is matched over.
fn category(node: &Node, scope: &Scope) -> Result<String, Problem> {
    let pairs = node.map("logsource")?;
    for (key, _) in pairs {
        if !["category", "product", "service", "definition"].contains(&key.text.as_str()) {
            return Err(Problem::at(key.place, format!("a logsource has no `{}`", shown(&key.text))));
        }
    }
    let product = text(pairs, "product")?;
    if let Some(here) = scope.product()
        && !product.is_empty()
        && product != here
    {
        return Err(Problem::at(node.place, format!("a rule for {}, not for {here}", shown(&product))));
    }
    let (category, service) = (text(pairs, "category")?, text(pairs, "service")?);
    let named = if scope.product().is_some() {
        if !service.is_empty() {
            return Err(Problem::at(node.place, format!("a rule for the log of {}", shown(&service)))
                .hint("Logs of services are not matched here; name a category alone."));
        }
        category
    } else {
        [category, service, product].into_iter().find(|name| !name.is_empty()).unwrap_or_default()
    };
    let known = || scope.categories().collect::<Vec<_>>().join(", ");
    if named.is_empty() {
        return Err(Problem::at(node.place, "`category` is missing").hint(format!("There are {}.", known())));
    }
    if !scope.has_category(&named) {
        return Err(Problem::at(node.place, format!("nothing records the category `{}`", shown(&named)))
            .hint(format!("There are {}.", known())));
    }
    Ok(named)
}

/// `attack.t1059.004` is T1059.004.
fn technique(tag: &str) -> Option<String> {
    let name = tag.strip_prefix("attack.t")?;
    let (number, sub) = name.split_once('.').unwrap_or((name, ""));
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    let holds = digits(number, 4) && (sub.is_empty() && !name.ends_with('.') || digits(sub, 3));
    holds.then(|| format!("T{name}"))
}

fn text(pairs: &[(Key, Node)], name: &str) -> Result<String, Problem> {
    match get(pairs, name) {
        None | Some(Node { value: Yaml::Null, .. }) => Ok(String::new()),
        Some(node) => bounded(node.place, name, node.text(name)?),
    }
}

fn list(pairs: &[(Key, Node)], name: &str) -> Result<Vec<String>, Problem> {
    let Some(node) = get(pairs, name) else { return Ok(Vec::new()) };
    let texts = node.texts(name)?;
    if texts.len() > MOST {
        return Err(Problem::at(node.place, format!("`{name}` has more than {MOST} items")));
    }
    texts.into_iter().map(|(place, text)| bounded(place, name, text)).collect()
}

fn bounded(place: Place, name: &str, text: &str) -> Result<String, Problem> {
    if text.len() > LONGEST {
        return Err(Problem::at(place, format!("`{name}` is longer than {LONGEST} bytes")));
    }
    Ok(text.to_owned())
}

/// Events beside the rule: `tests: {hits: [{Image: …}], misses: [{Image: …}]}`.
fn tests(pairs: &[(Key, Node)]) -> Result<Tests, Problem> {
    let mut tests = Tests::default();
    let Some(node) = get(pairs, "tests") else { return Ok(tests) };
    for (key, node) in node.map("tests")? {
        let events = match key.text.as_str() {
            "hits" => &mut tests.hits,
            "misses" => &mut tests.misses,
            _ => return Err(Problem::at(key.place, "tests are `hits` and `misses`")),
        };
        let Yaml::List(items) = &node.value else {
            return Err(Problem::at(node.place, "a list of events, each a mapping of fields"));
        };
        if items.len() > MOST {
            return Err(Problem::at(node.place, format!("more than {MOST} events")));
        }
        for item in items {
            let mut event = Event::default();
            for (field, value) in item.map("event")? {
                event.fields.push((field.text.clone(), value.text(&field.text)?.to_owned()));
            }
            events.push(event);
        }
    }
    Ok(tests)
}
