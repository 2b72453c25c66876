//! Definitions, read from YAML documents: what each is called, and where its evidence lies.

use std::collections::{BTreeMap, HashMap};

use crate::pattern;
use crate::resolve::System;
use crate::yaml::{Error, Node, Place, Value, documents};

/// Bytes of one file of definitions at most: 4 MiB. The public collection has 600 KB in all.
pub const MOST_BYTES: usize = 4 << 20;
/// Characters of a name at most.
const NAME: usize = 200;
/// Sources of one definition, and values of one list of it.
const SOURCES: usize = 500;
const VALUES: usize = 5000;
/// Warnings that are kept.
const WARNINGS: usize = 200;

/// All definitions of a file.
#[derive(Clone, Debug, Default)]
pub struct Set {
    definitions: Vec<Definition>,
    by_name: HashMap<String, usize>,
    /// What was passed over, with its line: nothing that keeps the rest from being used.
    pub warnings: Vec<String>,
}

/// One definition.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name, unique in the file.
    pub name: String,
    /// What it is.
    pub doc: String,
    /// Systems that it is for; all where empty.
    pub systems: Vec<System>,
    /// Where its evidence lies.
    pub sources: Vec<Source>,
    /// The line where it begins, from 1.
    pub line: usize,
}

/// One place of evidence.
#[derive(Clone, Debug)]
pub struct Source {
    /// What kind of place.
    pub kind: SourceKind,
    /// Systems that it is for; those of its definition where empty.
    pub systems: Vec<System>,
}

/// What a source names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Other definitions.
    Group {
        /// Their names.
        names: Vec<String>,
    },
    /// The content of files.
    File {
        /// Paths with wildcards.
        paths: Vec<String>,
        /// What stands between names in them.
        separator: u8,
    },
    /// That paths exist, and what is known of them.
    Path {
        /// Paths with wildcards.
        paths: Vec<String>,
        /// What stands between names in them.
        separator: u8,
    },
    /// What directories hold, as a list.
    Directory {
        /// Paths with wildcards.
        paths: Vec<String>,
        /// What stands between names in them.
        separator: u8,
    },
    /// What a command says.
    Command {
        /// The program.
        program: String,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// What a query of the system's tables finds. Our own addition to the format.
    Query {
        /// The SQL.
        sql: String,
    },
    /// Of another system, or unknown: it is passed over with its reason.
    Other {
        /// The type as it stands in the file.
        name: String,
    },
}

impl Set {
    /// All definitions, in the order of the file.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// The definition with this name or alias.
    pub fn get(&self, name: &str) -> Option<&Definition> {
        self.by_name.get(name).and_then(|index| self.definitions.get(*index))
    }

    /// The known name that is most like this one.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        let wanted = name.to_lowercase();
        let score = |known: &str| {
            let known = known.to_lowercase();
            let shared = known.bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b).count();
            if known.contains(&wanted) || wanted.contains(&known) { shared + 100 } else { shared }
        };
        let best = self.by_name.keys().map(|known| (score(known), known)).max()?;
        (best.0 >= 4).then_some(best.1.as_str())
    }

    fn warn(&mut self, place: Place, text: &str) {
        if self.warnings.len() < WARNINGS {
            self.warnings.push(format!("line {}: {text}", place.line));
        }
    }
}

/// Reads a file of definitions.
///
/// # Errors
/// The first fault, with its place: what is no YAML, what is too much, and what would make two people read the same
/// definition otherwise. A group that leads back to itself is one.
pub fn parse(text: &str) -> Result<Set, Error> {
    let start = Place { line: 1, column: 1 };
    if text.len() > MOST_BYTES {
        return Err(
            Error::at(start, format!("more than {MOST_BYTES} bytes")).hint("Import it as several files.")
        );
    }
    let mut set = Set::default();
    let mut places = Vec::new();
    for document in documents(text)? {
        let place = document.place;
        let (definition, aliases) = definition(&mut set, document)?;
        let index = set.definitions.len();
        for name in std::iter::once(&definition.name).chain(&aliases) {
            if let Some(first) = set.by_name.insert(name.clone(), index)
                && first != index
            {
                let line = set.definitions.get(first).map_or(0, |known| known.line);
                return Err(Error::at(place, format!("a second definition named {name:?}"))
                    .hint(format!("The first begins at line {line}.")));
            }
        }
        set.definitions.push(definition);
        places.push(place);
    }
    if set.definitions.is_empty() {
        return Err(Error::at(start, "no definition in it").hint("A definition has a `name` and `sources`."));
    }
    acyclic(&set, &places)?;
    Ok(set)
}

fn definition(set: &mut Set, document: Node) -> Result<(Definition, Vec<String>), Error> {
    let place = document.place;
    let fields = fields(document, "a definition")?;
    let mut made = Definition {
        name: String::new(),
        doc: String::new(),
        systems: Vec::new(),
        sources: Vec::new(),
        line: place.line,
    };
    let mut aliases = Vec::new();
    for (key, (at, node)) in fields {
        match key.as_str() {
            "name" => made.name = name(text(node)?, at)?,
            "doc" => made.doc = text(node)?,
            "aliases" => {
                for alias in texts(node)? {
                    aliases.push(name(alias, at)?);
                }
            }
            "supported_os" => made.systems = systems(set, node)?,
            "sources" => made.sources = sources(set, node)?,
            // Of the format, and of no use to us; some are there for other readers.
            "urls" | "conditions" | "labels" | "provides" | "collectors" | "author" => {}
            other => set.warn(at, &format!("the field {other:?} is not known and was passed over")),
        }
    }
    if made.name.is_empty() {
        return Err(Error::at(place, "a definition without `name`"));
    }
    if made.sources.is_empty() {
        return Err(Error::at(place, format!("the definition {:?} has no `sources`", made.name)));
    }
    Ok((made, aliases))
}

fn sources(set: &mut Set, node: Node) -> Result<Vec<Source>, Error> {
    let place = node.place;
    let Value::List(items) = node.value else {
        return Err(Error::at(place, format!("`sources` is a list, and this is {}", node.kind())));
    };
    if items.len() > SOURCES {
        return Err(Error::at(place, format!("more than {SOURCES} sources")));
    }
    items.into_iter().map(|item| source(set, item)).collect()
}

fn source(set: &mut Set, node: Node) -> Result<Source, Error> {
    let place = node.place;
    let mut all = fields(node, "a source")?;
    let Some((_, kind)) = all.remove("type") else {
        return Err(Error::at(place, "a source without `type`")
            .hint("FILE, PATH, DIRECTORY, COMMAND, ARTIFACT_GROUP, QUERY …"));
    };
    let kind = text(kind)?;
    let attributes = match all.remove("attributes") {
        Some((_, node)) => fields(node, "`attributes`")?,
        None => BTreeMap::new(),
    };
    let systems = match all.remove("supported_os") {
        Some((_, node)) => systems(set, node)?,
        None => Vec::new(),
    };
    for (key, (at, _)) in &all {
        if !matches!(key.as_str(), "conditions" | "returned_types" | "urls") {
            set.warn(*at, &format!("the field {key:?} of a source is not known and was passed over"));
        }
    }
    Ok(Source { kind: kind_of(set, kind, attributes, place)?, systems })
}

type Fields = BTreeMap<String, (Place, Node)>;

fn kind_of(set: &mut Set, kind: String, mut attributes: Fields, place: Place) -> Result<SourceKind, Error> {
    let made = match kind.as_str() {
        "ARTIFACT_GROUP" => SourceKind::Group { names: needed(&mut attributes, "names", place)? },
        "FILE" | "PATH" | "DIRECTORY" => {
            let separator = separator(&mut attributes)?;
            let paths = needed(&mut attributes, "paths", place)?;
            for path in &paths {
                pattern::check(path, separator)
                    .map_err(|problem| Error::at(place, format!("the path {path:?}: {problem}")))?;
            }
            match kind.as_str() {
                "FILE" => SourceKind::File { paths, separator },
                "PATH" => SourceKind::Path { paths, separator },
                _ => SourceKind::Directory { paths, separator },
            }
        }
        "COMMAND" => {
            let program = match attributes.remove("cmd") {
                Some((_, node)) => text(node)?,
                None => return Err(Error::at(place, "a COMMAND without `cmd`")),
            };
            let arguments = match attributes.remove("args") {
                Some((_, node)) => texts(node)?,
                None => Vec::new(),
            };
            SourceKind::Command { program, arguments }
        }
        "QUERY" => match attributes.remove("sql") {
            Some((_, node)) => SourceKind::Query { sql: text(node)? },
            None => return Err(Error::at(place, "a QUERY without `sql`")),
        },
        // Windows alone has a registry and WMI; what is newer than this reader is passed over like them.
        _ => {
            attributes.clear();
            if !matches!(kind.as_str(), "REGISTRY_KEY" | "REGISTRY_VALUE" | "WMI") {
                set.warn(place, &format!("sources of type {kind:?} are not known and are passed over"));
            }
            SourceKind::Other { name: kind }
        }
    };
    for (key, (at, _)) in &attributes {
        set.warn(*at, &format!("the attribute {key:?} is not known and was passed over"));
    }
    Ok(made)
}

fn separator(attributes: &mut Fields) -> Result<u8, Error> {
    let Some((at, node)) = attributes.remove("separator") else { return Ok(b'/') };
    match text(node)?.as_str() {
        "/" => Ok(b'/'),
        "\\" => Ok(b'\\'),
        other => Err(Error::at(at, format!("a separator {other:?}")).hint("`/` or `\\`")),
    }
}

fn needed(attributes: &mut Fields, key: &str, place: Place) -> Result<Vec<String>, Error> {
    let Some((_, node)) = attributes.remove(key) else {
        return Err(Error::at(place, format!("a source without `{key}` in its `attributes`")));
    };
    let at = node.place;
    let values = texts(node)?;
    if values.is_empty() { Err(Error::at(at, format!("`{key}` names nothing"))) } else { Ok(values) }
}

fn systems(set: &mut Set, node: Node) -> Result<Vec<System>, Error> {
    let place = node.place;
    let mut systems = Vec::new();
    for name in texts(node)? {
        match System::from_name(&name) {
            Some(system) => systems.push(system),
            None => set.warn(place, &format!("the system {name:?} is not known")),
        }
    }
    // Unknown ones alone must not become all of them.
    if systems.is_empty() {
        systems.push(System::Other);
    }
    Ok(systems)
}

fn fields(node: Node, what: &str) -> Result<Fields, Error> {
    let (place, kind) = (node.place, node.kind());
    let Value::Map(pairs) = node.value else {
        return Err(Error::at(place, format!("{what} is a mapping, and this is {kind}")));
    };
    let mut fields = Fields::new();
    for (key, value) in pairs {
        let at = key.place;
        let key = text(key)?;
        if fields.contains_key(&key) {
            return Err(Error::at(at, format!("{key:?} stands twice in one mapping")));
        }
        fields.insert(key, (at, value));
    }
    Ok(fields)
}

fn text(node: Node) -> Result<String, Error> {
    let kind = node.kind();
    match node.value {
        Value::Text(text) => Ok(text),
        Value::List(_) | Value::Map(_) => {
            Err(Error::at(node.place, format!("a text is needed, and this is {kind}")))
        }
    }
}

/// A list of texts, or one text that stands for a list of one.
fn texts(node: Node) -> Result<Vec<String>, Error> {
    let place = node.place;
    match node.value {
        Value::List(items) if items.len() > VALUES => {
            Err(Error::at(place, format!("more than {VALUES} values")))
        }
        Value::List(items) => items.into_iter().map(text).collect(),
        Value::Text(text) => Ok(vec![text]),
        Value::Map(_) => Err(Error::at(place, "a list of texts is needed, and this is a mapping")),
    }
}

fn name(text: String, place: Place) -> Result<String, Error> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '(' | ')' | '/');
    if text.is_empty() || text.chars().count() > NAME || !text.chars().all(is_plain) {
        return Err(Error::at(place, format!("the name {text:?} cannot be used"))
            .hint("Letters, digits, `-`, `_` and `.`, at most 200."));
    }
    Ok(text)
}

/// Groups must lead somewhere. Walked with a stack of its own, for a chain may be as long as the file.
fn acyclic(set: &Set, places: &[Place]) -> Result<(), Error> {
    let names = |index: usize| -> Vec<usize> {
        let sources = set.definitions.get(index).map(|known| known.sources.as_slice()).unwrap_or_default();
        let groups = sources.iter().filter_map(|source| match &source.kind {
            SourceKind::Group { names } => Some(names),
            _ => None,
        });
        groups.flatten().filter_map(|name| set.by_name.get(name).copied()).collect()
    };
    let mut state = vec![0u8; set.definitions.len()];
    for root in 0..set.definitions.len() {
        if state[root] != 0 {
            continue;
        }
        state[root] = 1;
        let mut stack = vec![(root, names(root))];
        while let Some((at, rest)) = stack.last_mut() {
            let Some(next) = rest.pop() else {
                state[*at] = 2;
                stack.pop();
                continue;
            };
            match state[next] {
                0 => {
                    state[next] = 1;
                    stack.push((next, names(next)));
                }
                1 => {
                    let known = set.definitions.get(next).map_or("", |known| known.name.as_str());
                    let place = places.get(next).copied().unwrap_or_default();
                    return Err(Error::at(place, format!("the group {known:?} leads back to itself"))
                        .hint("Take one of the names out of its `names`."));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fmt::Write as _;

    use super::*;

    const GOOD: &str = "# words\nname: A\ndoc: |\n  Two\n  lines.\naliases: [AA]\nsources:\n- type: FILE\n  \
        attributes: {paths: ['/etc/a', '%%users.homedir%%/.b']}\n- type: COMMAND\n  attributes:\n    cmd: /bin/ps\n    \
        args: [-ef]\n  supported_os: [Linux]\nsupported_os: [Linux, Darwin]\nurls: ['https://example.test']\n---\n\
        name: B\ndoc: b\nsources:\n- type: ARTIFACT_GROUP\n  attributes:\n    names: [AA]\n- type: REGISTRY_KEY\n  \
        attributes: {keys: ['HKLM']}\n";

    #[test]
    fn definitions_are_read() {
        let set = parse(GOOD).unwrap();
        assert_eq!(set.definitions().len(), 2);
        assert_eq!(set.get("AA").unwrap().name, "A");
        assert_eq!(set.get("A").unwrap().systems, [System::Linux, System::Macos]);
        assert!(set.warnings.is_empty(), "{:?}", set.warnings);
        assert_eq!((set.nearest("zzzz"), set.nearest("Axy")), (None, Some("A")));
    }

    #[test]
    fn faults_are_named_with_their_place() {
        let fault = |text: &str| parse(text).unwrap_err();
        let doubled = fault(
            "name: A\nsources: [{type: FILE, attributes: {paths: [/a]}}]\n---\nname: A\nsources: [{type: FILE, attributes: {paths: [/b]}}]\n",
        );
        assert_eq!((doubled.line, doubled.hint.contains("line 1")), (4, true), "{doubled}");
        let cycle = fault(
            "name: A\nsources: [{type: ARTIFACT_GROUP, attributes: {names: [B]}}]\n---\nname: B\nsources: [{type: ARTIFACT_GROUP, attributes: {names: [A]}}]\n",
        );
        assert!(cycle.message.contains("back to itself"), "{cycle}");
        assert!(
            fault("name: A\nsources: [{type: FILE, attributes: {paths: [etc]}}]")
                .message
                .contains("absolute")
        );
        assert!(fault("name: A\nname: B\nsources: []").message.contains("twice"));
        assert!(fault("name: [A]").message.contains("a list"));
        assert!(fault("- a\n- b\n").message.contains("mapping"));
        assert!(fault("").message.contains("no definition"));
        assert!(fault("name: A\nsources:\n  - {type: FILE\nx").line >= 4);
        assert!(fault("name: A\u{202e}\nsources: []").message.contains("cannot be used"));
    }

    #[test]
    fn bombs_are_refused_before_they_cost_anything() {
        let fault = |text: &str| parse(text).unwrap_err().message;
        let laughs = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n";
        assert!(fault(laughs).contains("anchors"), "{}", fault(laughs));
        assert!(fault(&format!("name: {}", "[".repeat(200))).contains("levels"));
        assert!(fault(&"- ".repeat(100_000)).contains("levels"));
        assert!(fault(&format!("[{}]", "a,".repeat(500_000))).contains("values"));
        assert!(fault(&"---\nname: a\n".repeat(6000)).contains("definitions"));
        assert!(fault(&format!("name: {}", "a".repeat(70_000))).contains("bytes"));
        assert!(fault(&" ".repeat(MOST_BYTES + 1)).contains("bytes"));
    }

    #[test]
    fn a_long_chain_of_groups_is_walked_without_a_deep_stack() {
        let mut text = String::new();
        for index in 0..4000 {
            let next = index + 1;
            let _ = writeln!(
                text,
                "---\nname: N{index}\nsources: [{{type: ARTIFACT_GROUP, attributes: {{names: [N{next}]}}}}]"
            );
        }
        assert!(parse(&text).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(?s).{0,600}") {
            let _ = parse(&text);
        }

        #[test]
        fn nor_what_looks_like_yaml(text in "(name: |sources:|- type: FILE|paths: |[\\[\\]{}:,'\"|>&*!#%@\n -]|[a-z/]){0,80}") {
            let _ = parse(&text);
        }
    }
}
