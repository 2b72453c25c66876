//! One notice: what happened, once, in the fields that texts and webhooks are made of.

use serde::{Deserialize, Serialize};

use crate::{Kind, kind::Severity, text};

/// The most names that a notice lists; the rest is a number.
pub const NAMES: usize = 20;

/// What happened. Every text in it is foreign until it went through [`Notice::inert`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What kind of thing.
    pub kind: Kind,
    /// How loud.
    pub severity: Severity,
    /// What happened, in one line.
    pub headline: String,
    /// When it happened, RFC 3339.
    pub at: String,
    /// The name of the organisation.
    pub tenant: String,
    /// Who did it.
    pub actor: Party,
    /// What it was done to.
    pub object: Object,
    /// Who asked for the deed, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requester: Option<Party>,
    /// The deed, where there is one: `endpoint.isolate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The deed in words: `Isolate Endpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Upon how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_count: Option<u64>,
    /// The names of the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Why it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How it stands now: `approved`, `failed` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// What was remarked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Until when it waits or holds, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Who may decide, in words: `2 of administrator, approver`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deciders: Option<String>,
    /// The SHA-256 of the intent that people are asked about, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Who.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// `person`, `api_key`, `endpoint`, `system`.
    pub kind: String,
    /// The id.
    pub id: String,
    /// What people call it.
    pub name: String,
}

/// To what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// `task`, `person` …
    pub kind: String,
    /// The id.
    pub id: String,
}

impl Notice {
    /// The same with every foreign text made harmless and short.
    #[must_use]
    pub fn inert(self) -> Self {
        let short = |value: String| text::line(&value, text::MOST);
        let long = |value: String| text::line(&value, text::MOST_LONG);
        let party =
            |party: Party| Party { kind: short(party.kind), id: short(party.id), name: short(party.name) };
        Self {
            kind: self.kind,
            severity: self.severity,
            headline: short(self.headline),
            at: short(self.at),
            tenant: short(self.tenant),
            actor: party(self.actor),
            object: Object { kind: short(self.object.kind), id: short(self.object.id) },
            requester: self.requester.map(party),
            action: self.action.map(short),
            title: self.title.map(short),
            target_count: self.target_count,
            targets: self.targets.into_iter().take(NAMES).map(short).collect(),
            reason: self.reason.map(long),
            state: self.state.map(short),
            note: self.note.map(long),
            until: self.until.map(short),
            deciders: self.deciders.map(short),
            digest: self.digest.map(short),
        }
    }

    /// How many targets have no name here.
    pub fn more_targets(&self) -> u64 {
        self.target_count.unwrap_or_default().saturating_sub(self.targets.len() as u64)
    }

    /// A made-up notice of a kind, with every field filled: for trying out templates.
    pub fn sample(kind: Kind) -> Self {
        Self {
            kind,
            severity: kind.severity(),
            headline: "Approval wanted: Terminate Process on web-1 and 2 more".to_owned(),
            at: "2026-01-31T08:00:00Z".to_owned(),
            tenant: "Example".to_owned(),
            actor: Party {
                kind: "person".to_owned(),
                id: "018f0000-0000-7000-8000-000000000001".to_owned(),
                name: "Olivia Operator".to_owned(),
            },
            object: Object { kind: "task".to_owned(), id: "018f0000-0000-7000-8000-000000000002".to_owned() },
            requester: Some(Party {
                kind: "person".to_owned(),
                id: "018f0000-0000-7000-8000-000000000001".to_owned(),
                name: "Olivia Operator".to_owned(),
            }),
            action: Some("process.terminate".to_owned()),
            title: Some("Terminate Process".to_owned()),
            target_count: Some(3),
            targets: vec!["web-1".to_owned()],
            reason: Some("beacon to a known address".to_owned()),
            state: Some("pending".to_owned()),
            note: Some("seen and understood".to_owned()),
            until: Some("2026-01-31T09:00:00Z".to_owned()),
            deciders: Some("1 of administrator, approver".to_owned()),
            digest: Some("0".repeat(64)),
        }
    }
}
