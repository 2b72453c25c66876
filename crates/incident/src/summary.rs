//! An incident in a line: title, severity, techniques and times, from its detections.

use std::collections::BTreeSet;

use quell_wire::activity::{Detection, ProcessKey, Severity, Source, Verdict};
use serde::Serialize;

use crate::attack;
use crate::chain::{Entry, Named as _, Object, ObjectKind, View};
use crate::setting::Setting;
use crate::text::{NAME, base_name, cut, shown};

/// Characters of a title.
const TITLE: usize = 200;
/// Tactics of an intrusion that make it worse than its worst detection.
const BREADTH: usize = 3;
/// Characters of the name of a program or endpoint in a title.
const PART: usize = 48;

/// An incident in a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// What was detected: `Reverse shell: nc on web-1`. Clean text of at most 200 characters.
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

/// The title of the best rule, the program that it is about, and the endpoint. What the program was told on its command line stands
/// where there is room for it: a title is to be read among a hundred others.
fn title(views: &[View<'_>], setting: &Setting) -> String {
    let rank = |hit: &Detection| (hit.source() != Source::Asked, hit.severity());
    let keys = views.iter().filter_map(|view| view.key_entry().map(|(entry, hit)| (view, Some(entry), hit)));
    let best = keys.reduce(|best, next| if rank(next.2) > rank(best.2) { next } else { best });
    let loose = || views.iter().flat_map(|view| view.loose.iter().map(move |hit| (view, None, *hit))).next();
    let Some((view, entry, hit)) = best.or_else(loose) else { return String::new() };
    let program =
        program(view, entry, hit).map_or_else(String::new, |name| format!(": {}", cut(&name, PART)));
    let place = cut(&setting.name_of(&view.chain.endpoint), PART);
    let end = if hit.verdict() == Verdict::Prevented { ", prevented" } else { "" };
    let tail = format!("{program} on {place}{end}");
    format!("{}{tail}", cut(&rule_title(hit), TITLE.saturating_sub(tail.chars().count())))
}

fn rule_title(hit: &Detection) -> String {
    if hit.source() == Source::Asked {
        return "Chain asked for".to_owned();
    }
    let title = if hit.title.is_empty() { &hit.rule } else { &hit.title };
    if title.is_empty() { "A detection".to_owned() } else { shown(title.as_bytes(), NAME) }
}

/// The name of what a detection is about: the program or script that was started, the file whose content was recognized, else
/// who did it.
fn program(view: &View<'_>, entry: Option<&Entry<'_>>, hit: &Detection) -> Option<String> {
    let is_content = matches!(hit.source(), Source::BlockList | Source::Yara);
    let object = Object::of_detection(hit, entry);
    let named = object.filter(|object| match object.kind {
        ObjectKind::Program | ObjectKind::Script => true,
        ObjectKind::File => is_content || entry.is_none(),
        ObjectKind::Address | ObjectKind::Port | ObjectKind::Name | ObjectKind::Login => false,
    });
    let name = named.map(|object| base_name(object.path)).filter(|name| !name.is_empty());
    name.map(|name| shown(name, PART)).or_else(|| {
        let activity = entry?.activity;
        doer(view, activity.process, activity.at_us)
    })
}

/// Who does something, by name: the script where an interpreter runs one.
fn doer(view: &View<'_>, key: ProcessKey, at_us: i64) -> Option<String> {
    let image = view.image_at(key, at_us)?;
    Some(match &image.script {
        Some(script) if !script.path.is_empty() => shown(base_name(&script.path), PART),
        _ => image.name(key),
    })
}
