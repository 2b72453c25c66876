//! From a template and what happened to a letter's subject and texts.

use std::io;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, context, value::Serde};
use serde::Serialize;

use super::{BadTemplate, Template, default};
use crate::{Kind, Notice, notice::Party};

/// Steps of one rendering; the default with fifty entries takes a tenth.
const FUEL: u64 = 100_000;
/// The most that comes out of one part, in bytes.
const MOST: usize = 256 << 10;
/// The most that one `join` makes, in bytes.
const JOINED: usize = 32 << 10;

/// What one letter tells.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What happened; more than one where requests were gathered.
    pub entries: Vec<Entry>,
    /// How many of the same kind are told by their number alone.
    pub folded: u64,
}

/// One thing that happened, for one reader.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What.
    pub notice: Notice,
    /// Where this reader looks at it; of nobody else's use.
    pub link: Option<String>,
}

/// What was rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The HTML.
    pub html: String,
}

/// The names that a template knows, for each entry and, of the first one, by themselves.
#[derive(Serialize)]
struct Shown {
    kind: &'static str,
    severity: crate::kind::Severity,
    headline: String,
    at: String,
    tenant: String,
    actor: String,
    requester: String,
    action: String,
    title: String,
    target_count: u64,
    targets: Vec<String>,
    more_targets: u64,
    reason: String,
    state: String,
    note: String,
    until: String,
    deciders: String,
    digest: String,
    task: String,
    link: String,
}

impl Shown {
    fn of(entry: Entry) -> Self {
        let notice = entry.notice.inert();
        let name =
            |party: &Party| if party.name.is_empty() { party.kind.clone() } else { party.name.clone() };
        Self {
            kind: notice.kind.as_str(),
            severity: notice.severity,
            actor: name(&notice.actor),
            requester: notice.requester.as_ref().map(name).unwrap_or_default(),
            more_targets: notice.more_targets(),
            headline: notice.headline,
            at: notice.at,
            tenant: notice.tenant,
            action: notice.action.unwrap_or_default(),
            title: notice.title.unwrap_or_default(),
            target_count: notice.target_count.unwrap_or_default(),
            targets: notice.targets,
            reason: notice.reason.unwrap_or_default(),
            state: notice.state.unwrap_or_default(),
            note: notice.note.unwrap_or_default(),
            until: notice.until.unwrap_or_default(),
            deciders: notice.deciders.unwrap_or_default(),
            digest: notice.digest.unwrap_or_default(),
            task: if notice.object.kind == "task" { notice.object.id } else { String::new() },
            link: entry.link.unwrap_or_default(),
        }
    }
}

/// Renders a tenant's template; where that fails, since a value was other than imagined, the default in its place, with
/// what was wrong.
pub fn render(
    template: &Template,
    kind: Kind,
    scene: Scene,
) -> Result<(Letter, Option<BadTemplate>), BadTemplate> {
    match letter(template, kind, scene.clone(), UndefinedBehavior::Lenient) {
        Ok(letter) => Ok((letter, None)),
        Err(bad) => Ok((render_default(kind, scene)?, Some(bad))),
    }
}

/// Renders the default.
pub fn render_default(kind: Kind, scene: Scene) -> Result<Letter, BadTemplate> {
    letter(&Template::default(), kind, scene, UndefinedBehavior::Lenient)
}

/// Renders with made-up values; a name that there is not is an error. Answers the letter that tells of one thing.
pub(super) fn check(template: &Template, kind: Kind) -> Result<Letter, BadTemplate> {
    let link = Some("https://quell.example/approve#example".to_owned());
    let entry = Entry { notice: Notice::sample(kind), link };
    let several = Scene { entries: vec![entry.clone(); 2], folded: 7 };
    letter(template, kind, several, UndefinedBehavior::Strict)?;
    letter(template, kind, Scene { entries: vec![entry], folded: 0 }, UndefinedBehavior::Strict)
}

fn letter(
    template: &Template,
    kind: Kind,
    scene: Scene,
    undefined: UndefinedBehavior,
) -> Result<Letter, BadTemplate> {
    let entries: Vec<Value> =
        scene.entries.into_iter().map(|entry| Value::from(Serde(Shown::of(entry)))).collect();
    let first = entries.first().cloned().unwrap_or_default();
    let names = context! { entries => entries, folded => scene.folded, ..first };
    let environment = environment(undefined);
    let part = |part: &'static str, source: &str| {
        one(&environment, part, source, &names).map_err(|error| BadTemplate {
            part,
            line: error.line(),
            problem: error.detail().map_or_else(|| error.kind().to_string(), str::to_owned),
        })
    };
    let subject = part("subject", template.subject.as_deref().unwrap_or(default::subject(kind)))?;
    Ok(Letter {
        subject: crate::text::header(&subject, 150),
        text: part("text", template.text.as_deref().unwrap_or(default::TEXT))?,
        html: part("html", template.html.as_deref().unwrap_or(default::HTML))?,
    })
}

/// Knows no function and no test, and of filters those alone that make nothing longer than what they are given.
fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(50);
    environment.set_auto_escape_callback(|name| match name {
        "html" => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    environment.set_formatter(|out, state, value| {
        // What a name is that somebody misspelt stays an error; nothing is shown where there is nothing.
        if value.is_none() { Ok(()) } else { minijinja::escape_formatter(out, state, value) }
    });
    environment.add_filter("join", join);
    environment.add_filter("length", minijinja::filters::length);
    environment.add_filter("upper", minijinja::filters::upper);
    environment.add_filter("lower", minijinja::filters::lower);
    environment.add_filter("default", minijinja::filters::default);
    environment.add_filter("first", minijinja::filters::first);
    environment
}

/// What `join` of the usual set does, up to a length: it is the one way to make a longer text of shorter ones.
fn join(values: Vec<Value>, between: String) -> Result<String, Error> {
    let mut joined = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            joined.push_str(&between);
        }
        joined.push_str(value.as_str().unwrap_or_default());
        if joined.len() > JOINED {
            return Err(Error::new(ErrorKind::InvalidOperation, "join makes too long a text"));
        }
    }
    Ok(joined)
}

fn one(environment: &Environment<'_>, name: &str, source: &str, names: &Value) -> Result<String, Error> {
    let template = environment.template_from_named_str(name, source)?;
    let mut out = Bounded(Vec::new());
    template.render_captured_to(names, &mut out)?;
    String::from_utf8(out.0).map_err(|_| Error::new(ErrorKind::WriteFailure, "not UTF-8"))
}

/// Takes so much and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST {
            return Err(io::Error::other("the text becomes too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn scene(kind: Kind, change: impl FnOnce(&mut Notice)) -> Scene {
        let mut notice = Notice::sample(kind);
        change(&mut notice);
        Scene { entries: vec![Entry { notice, link: Some("https://q.example/a#t".to_owned()) }], folded: 0 }
    }

    #[test]
    fn every_kind_has_a_default_that_can_be_rendered() {
        for kind in Kind::ALL {
            Template::default_of(kind).check(kind).unwrap();
            let letter = render_default(kind, scene(kind, |_| {})).unwrap();
            assert!(letter.subject.starts_with("[Quell] "), "{}", letter.subject);
            assert!(
                letter.text.contains("Terminate Process") && letter.text.contains("https://q.example/a#t")
            );
            assert!(letter.html.contains("Olivia Operator"));
        }
    }

    #[test]
    fn a_hostile_name_is_inert_in_every_part() {
        let hostile = "<img src=x onerror=alert(1)>\r\nBcc: eve@example.org\u{202e}{{ 7 }}\u{1b}[0m";
        let scene = scene(Kind::TaskFailed, |notice| {
            notice.headline = hostile.to_owned();
            notice.targets = vec![hostile.to_owned(); 500];
            notice.reason = Some(hostile.repeat(1000));
        });
        let letter = render_default(Kind::TaskFailed, scene).unwrap();
        assert!(!letter.subject.contains(['\r', '\n', '\u{202e}', '\u{1b}']));
        assert!(!letter.html.contains("<img") && letter.html.contains("&lt;img"));
        for part in [&letter.subject, &letter.text, &letter.html] {
            assert!(!part.contains(['\u{202e}', '\u{1b}', '\r']), "{part}");
            assert!(!part.contains("\nBcc:") && part.len() < 64 << 10);
            assert!(part.contains("{{ 7 }}"), "a value was read as a template: {part}");
        }
    }

    #[test]
    fn a_tenants_template_is_tried_before_it_is_kept() {
        let template = |text: &str| Template { text: Some(text.to_owned()), ..Template::default() };
        template("{{ requester }} wants {{ title }} on {{ targets|join(', ') }}: {{ link }}")
            .check(Kind::ApprovalRequested)
            .unwrap();
        let line = |text: &str| template(text).check(Kind::Test).unwrap_err().line;
        assert_eq!(line("a\n{{ requestor }}"), Some(2));
        assert_eq!(line("a\n\n{% if x %}"), Some(3));
        assert_eq!(line("{{ headline|safe }}"), Some(1));
        assert_eq!(line("{{ range(9) }}"), Some(1));
        assert_eq!(line("{% set a = 1 %}"), Some(1));
        assert!(template(&"x".repeat(1 << 20)).check(Kind::Test).is_err());
    }

    #[test]
    fn a_template_that_never_ends_is_ended() {
        let nested = "{% for a in entries %}".repeat(40) + &"x".repeat(1000) + &"{% endfor %}".repeat(40);
        let template = Template { text: Some(nested), ..Template::default() };
        assert!(template.check(Kind::Test).is_err());
        let many = Scene { entries: vec![scene(Kind::Test, |_| {}).entries.remove(0); 20], folded: 0 };
        let (letter, bad) = render(&template, Kind::Test, many).unwrap();
        assert!(bad.is_some() && letter.text.contains("Terminate Process"), "the default goes out instead");
    }
}
