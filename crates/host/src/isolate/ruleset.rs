//! What stands in the kernel, kept so that any later difference shows.
//!
//! Every table, chain and rule is kept as the kernel reported it in answer to our own transaction, with its
//! handle. A handle is never given twice, so a rule that was deleted and added again shows as well, and nobody
//! can slip a change in between the commit and a later reading.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::Network;
use super::render::TABLE;
use super::{Error, detours, facts, neighbours, nft};

/// A drift report names at most this many differences.
const MAX_DIFFERENCES: usize = 32;

/// The installed rules, for comparison with [`inspect`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruleset {
    /// Each object's JSON, and how a person would call it.
    objects: BTreeMap<String, Label>,
    /// Index and name of the interfaces that have chains.
    devices: BTreeMap<u32, String>,
    /// Interfaces that could not be covered when the rules were made.
    uncovered: BTreeMap<u32, String>,
    /// Networks of the links when the rules were made.
    #[serde(default)]
    links: BTreeSet<String>,
    /// Ways around the rules that were there already, and were told then.
    #[serde(default)]
    detours: BTreeSet<String>,
}

/// What the rules were made for.
pub(super) struct Surroundings<'a> {
    /// Index and name of the interfaces that have chains.
    pub devices: &'a [(u32, String)],
    /// Those whose names cannot be written in a rule.
    pub odd: &'a [(u32, String)],
    /// IPv6 networks of the links.
    pub links: &'a [Network],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Label {
    text: String,
    /// The interface of a base chain: the kernel removes the chain when the interface goes.
    device: Option<u32>,
}

/// How the kernel's rules compare with what was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "differences")]
pub enum State {
    /// None of our tables exists.
    Absent,
    /// Every rule stands as it was installed, and every interface is covered.
    Intact,
    /// Something differs; at most 32 differences, for people.
    Drifted(Vec<String>),
}

impl Ruleset {
    /// Follows what a transaction reported to what it left behind.
    pub(super) fn from_transaction(report: &[Value], around: &Surroundings<'_>) -> Self {
        let mut objects: Vec<&Value> = Vec::new();
        for entry in report {
            if let Some(object) = entry.get("add") {
                objects.push(object);
            } else if let Some(table) = entry.get("delete").and_then(|o| o.get("table")) {
                let gone = (text(table, "family"), text(table, "name"));
                objects.retain(|object| owner(object) != gone);
            }
        }
        Self {
            objects: objects.into_iter().map(keep).collect(),
            devices: around.devices.iter().cloned().collect(),
            uncovered: around.odd.iter().cloned().collect(),
            links: around.links.iter().map(ToString::to_string).collect(),
            detours: BTreeSet::new(),
        }
    }

    /// The same baseline with objects read from the kernel instead.
    pub(super) fn relisted(self) -> Result<Self, Error> {
        let objects = listed()?.iter().map(keep).collect();
        Ok(Self { objects, ..self })
    }

    /// Takes the ways around the rules as known, so that [`inspect`] tells new ones only, and a repair that leaves
    /// them in place comes to an end. Returns at most 32 of them, for people.
    pub(super) fn note_detours(&mut self) -> Result<Vec<String>, Error> {
        self.detours = detours::detours()?;
        let more = self.detours.len().saturating_sub(MAX_DIFFERENCES);
        let mut shown: Vec<String> = self.detours.iter().take(MAX_DIFFERENCES).cloned().collect();
        if more > 0 {
            shown.push(format!("and {more} more"));
        }
        Ok(shown)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

/// Compares the kernel's rules with `expected`, the ruleset of the latest `apply`.
pub fn inspect(expected: &Ruleset) -> Result<State, Error> {
    let found: BTreeMap<String, Label> = listed()?.iter().map(keep).collect();
    if found.is_empty() {
        return Ok(State::Absent);
    }
    let interfaces: BTreeMap<u32, String> =
        facts::interfaces()?.into_iter().filter(|i| !i.loopback).map(|i| (i.index, i.name)).collect();
    let gone = |label: &Label| label.device.is_some_and(|index| !interfaces.contains_key(&index));
    let missing = expected.objects.iter().filter(|(json, label)| !found.contains_key(*json) && !gone(label));
    let foreign = found.iter().filter(|(json, _)| !expected.objects.contains_key(*json));
    let bare = interfaces.iter().filter(|(index, name)| {
        expected.devices.get(index) != Some(name) && expected.uncovered.get(index) != Some(name)
    });
    // Ways around come first: a list that is cut short must not lose them.
    let detours = detours::detours()?;
    let detours = detours.difference(&expected.detours).map(|way| {
        format!(
            "traffic control filters can carry frames past the rules, and are not removed by a repair: {way}"
        )
    });
    let links: BTreeSet<String> =
        neighbours::links(&facts::addresses()?).iter().map(ToString::to_string).collect();
    let fresh = links.difference(&expected.links).map(|link| format!("not covered: neighbours in {link}"));
    let differences: Vec<String> = detours
        .chain(fresh)
        .chain(missing.map(|(_, label)| format!("missing: {}", label.text)))
        .chain(foreign.map(|(_, label)| format!("not ours: {}", label.text)))
        .chain(bare.map(|(_, name)| format!("not covered: interface {name:?}")))
        .take(MAX_DIFFERENCES)
        .collect();
    Ok(if differences.is_empty() { State::Intact } else { State::Drifted(differences) })
}

/// Whether any of our tables exists, whoever made it.
pub fn present() -> Result<bool, Error> {
    Ok(!listed()?.is_empty())
}

fn listed() -> Result<Vec<Value>, Error> {
    let mut objects = Vec::new();
    let present = nft::families(TABLE)?;
    for family in FAMILIES.into_iter().filter(|f| present.iter().any(|p| p == f)) {
        match nft::list(family, TABLE) {
            Ok(listed) => objects.extend(listed),
            // Deleted between the two questions: then it is absent, and that is the answer.
            Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(objects)
}

/// The families in which we have a table; one of our name in another family is nobody's.
pub(super) const FAMILIES: [&str; 2] = ["netdev", "inet"];

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Family and table of an object.
fn owner(object: &Value) -> (&str, &str) {
    let Some((kind, object)) = object.as_object().and_then(|o| o.iter().next()) else { return ("", "") };
    (text(object, "family"), text(object, if kind == "table" { "name" } else { "table" }))
}

fn keep(object: &Value) -> (String, Label) {
    let Some((kind, inner)) = object.as_object().and_then(|o| o.iter().next()) else {
        return (object.to_string(), Label { text: "an unknown object".into(), device: None });
    };
    let name = if kind == "rule" { text(inner, "chain") } else { text(inner, "name") };
    let mut label = format!("{kind} {} {name:?}", text(inner, "family"));
    if let Some(handle) = inner.get("handle") {
        let _ = write!(label, " (handle {handle})");
    }
    let device = name.strip_prefix("egress_").or_else(|| name.strip_prefix("ingress_"));
    (object.to_string(), Label { text: label, device: device.and_then(|d| d.parse().ok()) })
}
