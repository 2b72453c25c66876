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
use super::render::{Chain, Wanted};
use super::standing::{Kept, Standing, Table};
use super::{Error, detours, facts, neighbours, nft};

/// A drift report names at most this many differences.
const MAX_DIFFERENCES: usize = 32;

/// The installed rules, for comparison with [`inspect`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruleset {
    /// Each object's JSON, and how a person would call it.
    objects: BTreeMap<String, Label>,
    /// The hooks of base chains, by name of the chain. Apart from `objects`, since not every `nft` tells the device.
    #[serde(default)]
    hooks: BTreeMap<String, Label>,
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
    /// Tables of our name that others owned already, and that were told then.
    #[serde(default)]
    seized: BTreeSet<String>,
}

/// What the rules were made for.
pub(super) struct Surroundings<'a> {
    /// Index and name of the interfaces that have chains.
    pub devices: &'a [(u32, String)],
    /// Those whose names cannot be written in a rule.
    pub odd: &'a [(u32, String)],
    /// IPv6 networks of the links.
    pub links: &'a [Network],
    /// Tables of our name that others own, in words.
    pub seized: &'a [String],
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
    /// Follows what a transaction reported to what it left behind, beside what it kept.
    pub(super) fn from_transaction(kept: Kept, report: &[Value], wanted: &[Wanted]) -> Self {
        let mut objects: Vec<&Value> = Vec::new();
        for entry in report {
            if let Some(object) = entry.get("add") {
                objects.push(object);
            } else if let Some(table) = entry.get("delete").and_then(|o| o.get("table")) {
                let gone = (text(table, "family"), text(table, "name"));
                objects.retain(|object| owner(object) != gone);
            }
        }
        let objects = kept.objects.iter().chain(objects).map(keep).collect();
        let hooks = wanted.iter().filter_map(|wanted| hook(&wanted.chain)).collect();
        Self { objects, hooks, ..Self::default() }
    }

    /// Adds what the rules were made for.
    pub(super) fn within(self, around: &Surroundings<'_>) -> Self {
        Self {
            devices: around.devices.iter().cloned().collect(),
            uncovered: around.odd.iter().cloned().collect(),
            links: around.links.iter().map(ToString::to_string).collect(),
            seized: around.seized.iter().cloned().collect(),
            ..self
        }
    }

    /// The same baseline with objects read from the kernel instead.
    pub(super) fn relisted(self) -> Result<Self, Error> {
        let objects = list(&Standing::read()?)?.iter().map(keep).collect();
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

    /// Kind, family, table and handle of each chain and rule: what they are, however it is spelt.
    pub(super) fn identities(&self) -> BTreeSet<(String, String, String, u64)> {
        let identity = |object: &String| {
            let object: Value = serde_json::from_str(object).ok()?;
            let (kind, inner) = object.as_object()?.iter().next()?;
            let handle = inner.get("handle")?.as_u64()?;
            let is_in_table = kind != "table";
            is_in_table
                .then(|| (kind.clone(), text(inner, "family").into(), text(inner, "table").into(), handle))
        };
        self.objects.keys().filter_map(identity).collect()
    }
}

/// Compares the kernel's rules with `expected`, the ruleset of the latest `apply`.
pub fn inspect(expected: &Ruleset) -> Result<State, Error> {
    match compare(expected) {
        // Not every `nft` can list a table that another process owns, and ours may have become such a one between the
        // two questions. The next answer tells it apart.
        Err(Error::Answer(_)) => compare(expected),
        result => result,
    }
}

fn compare(expected: &Ruleset) -> Result<State, Error> {
    let standing = Standing::read()?;
    let seized = standing.seized_in_words().filter(|words| !expected.seized.contains(words));
    let seized: Vec<String> =
        seized.map(|words| format!("not ours, and nobody may remove it: {words}")).collect();
    if standing.tables.is_empty() && seized.is_empty() {
        return Ok(State::Absent);
    }
    let flagged: Vec<String> =
        standing.tables.iter().filter(|table| table.flags != 0).map(Table::in_words).collect();
    if !flagged.is_empty() {
        // Not every `nft` can list such a table.
        return Ok(State::Drifted(seized.into_iter().chain(flagged).take(MAX_DIFFERENCES).collect()));
    }
    let hooks: BTreeMap<String, Label> = standing.chains().filter_map(hook).collect();
    let found: BTreeMap<String, Label> = list(&standing)?.iter().map(keep).collect();
    let interfaces: BTreeMap<u32, String> =
        facts::interfaces()?.into_iter().filter(|i| !i.loopback).map(|i| (i.index, i.name)).collect();
    let gone = |label: &Label| label.device.is_some_and(|index| !interfaces.contains_key(&index));
    let unlisted = expected.objects.iter().filter(|(json, _)| !found.contains_key(*json));
    let unhooked = expected.hooks.iter().filter(|(text, _)| !hooks.contains_key(*text));
    let missing = unlisted.chain(unhooked).filter(|(_, label)| !gone(label));
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
    let differences: Vec<String> = seized
        .into_iter()
        .chain(detours)
        .chain(fresh)
        .chain(missing.map(|(_, label)| format!("missing: {}", label.text)))
        .chain(foreign.map(|(_, label)| format!("not ours: {}", label.text)))
        .chain(bare.map(|(_, name)| format!("not covered: interface {name:?}")))
        .take(MAX_DIFFERENCES)
        .collect();
    Ok(if differences.is_empty() { State::Intact } else { State::Drifted(differences) })
}

/// Whether any of our tables exists, whoever made it. One that another process owns is not ours.
pub fn present() -> Result<bool, Error> {
    Ok(!Standing::read()?.tables.is_empty())
}

/// Everything in our tables, rules included, as `nft` lists it.
pub(super) fn list(standing: &Standing) -> Result<Vec<Value>, Error> {
    let mut objects = Vec::new();
    for table in &standing.tables {
        match nft::list(table.family, &table.name) {
            Ok(listed) => objects.extend(listed),
            // Deleted between the two questions: then it is absent, and that is the answer.
            Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(objects)
}

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
    (object.to_string(), Label { text: label, device: device_of(name) })
}

/// A base chain, and how a person would call it.
fn hook(chain: &Chain) -> Option<(String, Label)> {
    let label = format!("hook of chain {} {:?}: {}", chain.family, chain.name, chain.base.as_ref()?);
    Some((label.clone(), Label { text: label, device: device_of(&chain.name) }))
}

/// The index in the name of an interface's chain.
fn device_of(chain: &str) -> Option<u32> {
    chain.strip_prefix("egress_").or_else(|| chain.strip_prefix("ingress_"))?.parse().ok()
}
