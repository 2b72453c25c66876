//! From names that were asked for to the places that are looked at, in the order in which evidence goes away.

use std::collections::BTreeSet;

use crate::definition::{Definition, Set, SourceKind};

/// An operating system, as definitions name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
    /// macOS.
    Macos,
    /// ESXi, Android and others that no agent runs on.
    Other,
}

impl System {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "Linux" => Some(Self::Linux),
            "Windows" => Some(Self::Windows),
            "Darwin" | "MacOS" | "macOS" => Some(Self::Macos),
            "ESXi" | "Android" | "iOS" | "ChromeOS" | "FreeBSD" => Some(Self::Other),
            _ => None,
        }
    }
}

/// One place to look at.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// The definition that names it.
    pub definition: &'a Definition,
    /// Which of its sources, from 0.
    pub index: usize,
    /// What it names.
    pub kind: &'a SourceKind,
}

/// A place that was asked for and is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The definition, as it was named.
    pub definition: String,
    /// A stable code.
    pub reason: &'static str,
    /// What more there is to say.
    pub detail: String,
}

/// What is looked at, and what is not.
#[derive(Clone, Debug, Default)]
pub struct Plan<'a> {
    /// In the order of volatility: what changes by the second first.
    pub steps: Vec<Step<'a>>,
    /// With reasons.
    pub missed: Vec<Missed>,
}

/// What the names stand for on this system, groups opened, each source once.
pub fn resolve<'a>(set: &'a Set, names: &[String], system: System) -> Plan<'a> {
    let mut plan = Plan::default();
    let mut seen = BTreeSet::new();
    // A stack, since chains of groups may be long; there are no circles, `parse` refused them.
    let mut open: Vec<&str> = names.iter().rev().map(String::as_str).collect();
    while let Some(name) = open.pop() {
        let Some(definition) = set.get(name) else {
            let near = set.nearest(name).map(|near| format!("did you mean {near}?")).unwrap_or_default();
            plan.missed.push(Missed {
                definition: name.to_owned(),
                reason: "unknown_definition",
                detail: near,
            });
            continue;
        };
        if !seen.insert(definition.name.as_str()) {
            continue;
        }
        let is_for = |systems: &[System]| systems.is_empty() || systems.contains(&system);
        if !is_for(&definition.systems) {
            plan.missed.push(missed(definition, "other_system", ""));
            continue;
        }
        for (index, source) in definition.sources.iter().enumerate() {
            if !is_for(&source.systems) {
                continue;
            }
            match &source.kind {
                SourceKind::Group { names } => open.extend(names.iter().rev().map(String::as_str)),
                SourceKind::Other { name } => {
                    plan.missed.push(missed(definition, "source_not_supported", name));
                }
                kind => plan.steps.push(Step { definition, index, kind }),
            }
        }
    }
    plan.steps.sort_by_key(|step| rank(step.kind));
    plan
}

fn missed(definition: &Definition, reason: &'static str, detail: &str) -> Missed {
    Missed { definition: definition.name.clone(), reason, detail: detail.to_owned() }
}

/// After RFC 3227, section 2.1: tables of the running system, then what a restart takes away, then logs, then the rest.
fn rank(kind: &SourceKind) -> u8 {
    let begins = |paths: &[String], prefixes: &[&str]| {
        paths.iter().any(|path| prefixes.iter().any(|prefix| path.starts_with(prefix)))
    };
    match kind {
        SourceKind::Query { .. } => 0,
        SourceKind::Command { .. } => 1,
        SourceKind::Path { .. } | SourceKind::Directory { .. } => 3,
        SourceKind::File { paths, .. } if begins(paths, &["/proc", "/sys", "/run", "/dev"]) => 2,
        SourceKind::File { paths, .. } if begins(paths, &["/tmp", "/var/tmp"]) => 4,
        SourceKind::File { paths, .. } if begins(paths, &["/var/log"]) => 5,
        SourceKind::File { .. } | SourceKind::Group { .. } | SourceKind::Other { .. } => 6,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::definition::parse;

    #[test]
    fn groups_are_opened_once_and_the_volatile_comes_first() {
        let set = parse(
            "name: F\nsources: [{type: FILE, attributes: {paths: [/etc/x]}}]\n---\nname: C\nsources: [{type: COMMAND, \
              attributes: {cmd: ps}}]\n---\nname: W\nsources: [{type: WMI, attributes: {query: x}}]\nsupported_os: [Windows]\n---\n\
              name: R\nsources: [{type: REGISTRY_KEY, attributes: {keys: [x]}}]\n---\nname: G\nsources: [{type: \
              ARTIFACT_GROUP, attributes: {names: [F, C, F, W, R, Nope]}}]\n",
        )
        .unwrap();
        let plan = resolve(&set, &["G".to_owned(), "F".to_owned()], System::Linux);
        let names: Vec<&str> = plan.steps.iter().map(|step| step.definition.name.as_str()).collect();
        assert_eq!(names, ["C", "F"]);
        let missed: Vec<(&str, &str)> =
            plan.missed.iter().map(|missed| (missed.definition.as_str(), missed.reason)).collect();
        assert_eq!(
            missed,
            [("W", "other_system"), ("R", "source_not_supported"), ("Nope", "unknown_definition")]
        );
    }
}
