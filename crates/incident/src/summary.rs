//! An incident in a line: title, severity, techniques and times, from its detections.

use std::collections::BTreeSet;

use quell_wire::activity::{Deed, Detection, ProcessKey, Severity, Source, Verdict};
use serde::Serialize;

use crate::attack;
use crate::chain::{Entry, Named as _, Object, ObjectKind, View};
use crate::setting::Setting;
use crate::text::{NAME, base_name, cut, shown};

/// Characters of a title.
const TITLE: usize = 200;
/// Tactics of an intrusion that make it worse than its worst detection.
const BREADTH: usize = 3;
/// Renames that are followed back from a program to what dropped it.
const RENAMES: usize = 8;

/// An incident in a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// What happened: `curl dropped /tmp/x and sh ran it on web-1`. Clean text of at most 200 characters.
    pub title: String,
    /// `informational` to `critical`.
    pub severity: &'static str,
    /// Its number on the wire.
    pub severity_number: i32,
    /// Why it is that bad.
    pub severity_reason: String,
    /// ATT&CK techniques that its detections name, sorted.
    pub techniques: Vec<String>,
    /// Their tactics, in the order of an intrusion.
    pub tactics: Vec<String>,
    /// The first activity event that was detected, microseconds since 1970.
    pub first_at_us: i64,
    /// The last.
    pub last_at_us: i64,
    /// Detections in all.
    pub detections: usize,
    /// Those of them that were prevented.
    pub prevented: usize,
}

/// The summary of an incident; its chains in the order in which they joined.
pub fn of(views: &[View<'_>], setting: &Setting) -> Summary {
    let hits: Vec<_> = views
        .iter()
        .flat_map(|view| {
            view.detections().map(|(entry, hit)| (entry.map_or(hit.at_us, |entry| entry.activity.at_us), hit))
        })
        .collect();
    let techniques: BTreeSet<&str> =
        hits.iter().flat_map(|(_, hit)| &hit.techniques).map(String::as_str).collect();
    let tactics: Vec<_> = attack::tactics()
        .iter()
        .filter(|tactic| {
            let known = techniques.iter().filter_map(|id| attack::technique(id));
            known.into_iter().any(|technique| technique.tactics.contains(&tactic.0))
        })
        .map(|tactic| tactic.0.clone())
        .collect();
    let (severity, severity_reason) = severity(&hits, &tactics);
    Summary {
        title: title(views, setting),
        severity: severity_name(severity),
        severity_number: severity.into(),
        severity_reason,
        techniques: techniques.into_iter().map(str::to_owned).collect(),
        tactics,
        first_at_us: hits.iter().map(|(at_us, _)| *at_us).min().unwrap_or_default(),
        last_at_us: hits.iter().map(|(at_us, _)| *at_us).max().unwrap_or_default(),
        detections: hits.len(),
        prevented: hits.iter().filter(|(_, hit)| hit.verdict() == Verdict::Prevented).count(),
    }
}

/// The worst of the detections; a step more where they span much of an intrusion and not all was prevented.
fn severity(hits: &[(i64, &Detection)], tactics: &[String]) -> (Severity, String) {
    let own: Vec<_> = hits.iter().filter(|(_, hit)| hit.source() != Source::Asked).collect();
    let Some(worst) = own.iter().map(|(_, hit)| hit.severity()).max() else {
        return (Severity::Informational, "the chain was asked for; no rule hit".to_owned());
    };
    let name = severity_name(worst);
    let is_broad = tactics.len() >= BREADTH && own.len() >= BREADTH;
    let is_left = own.iter().any(|(_, hit)| hit.verdict() != Verdict::Prevented);
    let next = match worst {
        Severity::Low => Severity::Medium,
        Severity::Medium => Severity::High,
        Severity::High => Severity::Critical,
        Severity::Unspecified | Severity::Informational | Severity::Critical => worst,
    };
    if is_broad && is_left && next != worst {
        let reason = format!(
            "the worst detection is {name}; a step more, since they span {} tactics and not all was prevented",
            tactics.len()
        );
        return (next, reason);
    }
    (worst, format!("the worst detection is {name}"))
}

/// The name of a severity in the API.
pub const fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Unspecified | Severity::Informational => "informational",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// The name of a verdict in the API.
pub const fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unspecified | Verdict::Detected => "detected",
        Verdict::Prevented => "prevented",
        Verdict::NotPrevented => "not_prevented",
    }
}

/// The name of a source in the API.
pub const fn source_name(source: Source) -> &'static str {
    match source {
        Source::Unspecified => "unknown",
        Source::BlockList => "block_list",
        Source::Yara => "yara",
        Source::Behaviour => "behaviour",
        Source::Asked => "asked",
    }
}

fn title(views: &[View<'_>], setting: &Setting) -> String {
    let rank = |hit: &Detection| (hit.source() != Source::Asked, hit.severity());
    let best = views
        .iter()
        .filter_map(|view| view.key_entry().map(|(entry, hit)| (view, entry, hit)))
        .reduce(|best, next| if rank(next.2) > rank(best.2) { next } else { best });
    let Some((view, entry, hit)) = best else {
        let loose = views.iter().flat_map(|view| view.loose.iter().map(move |hit| (view, hit))).next();
        return loose.map_or_else(String::new, |(view, hit)| {
            cut(&format!("{} on {}", rule_title(hit), setting.name_of(&view.chain.endpoint)), TITLE)
        });
    };
    let place = setting.name_of(&view.chain.endpoint);
    let deed = sentence(view, entry, hit).unwrap_or_else(|| rule_title(hit));
    let end = format!(" on {place}");
    let room = TITLE.saturating_sub(end.chars().count());
    cut(&format!("{}{end}", cut(&deed, room)), TITLE)
}

fn rule_title(hit: &Detection) -> String {
    let title = if hit.title.is_empty() { &hit.rule } else { &hit.title };
    if title.is_empty() { "A detection".to_owned() } else { shown(title.as_bytes(), NAME) }
}

/// What an activity event says, in a few words.
fn sentence(view: &View<'_>, entry: &Entry<'_>, hit: &Detection) -> Option<String> {
    let object = Object::of_detection(hit, Some(entry))?;
    let at_us = entry.activity.at_us;
    let doer = doer(view, entry.activity.process, at_us);
    let is_prevented = hit.verdict() == Verdict::Prevented;
    Some(match object.kind {
        ObjectKind::Program | ObjectKind::Script => ran(view, entry, object, is_prevented),
        ObjectKind::File => {
            let verb = match &entry.activity.deed {
                Some(Deed::FileRename(_)) => "renamed a file to",
                Some(Deed::FileWrite(_)) => "wrote",
                Some(Deed::FileCreate(_)) => "created",
                _ => "touched",
            };
            format!("{doer} {verb} {}", object.label())
        }
        ObjectKind::Address => {
            let is_in = object.connection.is_some_and(|connection| connection.inbound);
            let verb = if is_in { "was reached from" } else { "connected to" };
            format!("{doer} {verb} {}", object.label())
        }
        ObjectKind::Port => format!("{doer} opened {}", object.label()),
        ObjectKind::Name => format!("{doer} asked for {}", object.label()),
        ObjectKind::Login => {
            let login = object.login?;
            let verb = if login.failed { "failed to log in" } else { "logged in" };
            let from = if login.from.is_empty() {
                String::new()
            } else {
                format!(" from {}", shown(login.from.as_bytes(), NAME))
            };
            format!("{} {verb}{from}", object.label())
        }
    })
}

fn ran(view: &View<'_>, entry: &Entry<'_>, object: Object<'_>, is_prevented: bool) -> String {
    let label = object.label();
    let parent =
        view.node(entry.activity.process).and_then(|node| node.parent).map(|parent| &view.nodes[parent]);
    let runner = parent.map(|parent| doer(view, parent.key, entry.activity.at_us));
    let is_bare = object.kind == ObjectKind::Program && crate::system::is_of_system(object);
    if is_bare {
        // A system program says little by its name: what it was told says more.
        let line = object.image.map(|image| crate::text::command_line(&image.arguments, image.arguments_cut));
        let line = cut(&line.filter(|line| !line.is_empty()).unwrap_or(label), NAME);
        return match runner {
            Some(runner) if is_prevented => format!("{runner} was kept from running {line}"),
            Some(runner) => format!("{runner} ran {line}"),
            None => format!("{line} was run"),
        };
    }
    let dropper = dropper(view, object.path, entry.activity.at_us);
    match (dropper, runner, is_prevented) {
        (Some(dropper), _, true) => format!("{dropper} dropped {label}, which was kept from running,"),
        (Some(dropper), Some(runner), false) if dropper == runner => {
            format!("{dropper} dropped and ran {label}")
        }
        (Some(dropper), Some(runner), false) => format!("{dropper} dropped {label} and {runner} ran it"),
        (Some(dropper), None, false) => format!("{dropper} dropped {label}, which ran,"),
        (None, Some(runner), false) => format!("{runner} ran {label}"),
        (None, Some(runner), true) => format!("{runner} was kept from running {label}"),
        (None, None, false) => format!("{label} was run"),
        (None, None, true) => format!("{label} was kept from running"),
    }
}

/// Who does something, by name: the script where an interpreter runs one.
fn doer(view: &View<'_>, key: ProcessKey, at_us: i64) -> String {
    let Some(image) = view.image_at(key, at_us) else { return format!("process {}", key.pid) };
    match &image.script {
        Some(script) if !script.path.is_empty() => shown(base_name(&script.path), 48),
        _ => image.name(key),
    }
}

/// Who made a file that was run, by name; renames are followed back.
fn dropper(view: &View<'_>, path: &[u8], before_us: i64) -> Option<String> {
    let (mut path, mut found) = (path, None);
    let until = view.entries.partition_point(|entry| entry.activity.at_us <= before_us);
    let mut renames = 0;
    for entry in view.entries[..until].iter().rev() {
        match &entry.activity.deed {
            Some(Deed::FileCreate(file) | Deed::FileWrite(file)) if file.path == path => found = Some(entry),
            Some(Deed::FileRename(file)) if file.path == path && renames < RENAMES => {
                (path, found, renames) = (&file.from, Some(entry), renames + 1);
            }
            _ => {}
        }
    }
    found.map(|entry| doer(view, entry.activity.process, entry.activity.at_us))
}
