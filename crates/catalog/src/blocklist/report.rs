//! What agents say of a block list: what they enforce, and what they met.

use serde::{Deserialize, Serialize};

use super::{Action, Kind};

/// The kind of the event that tells of a [`Hit`].
pub const HIT: &str = "blocklist_hit";

/// How one kind of object is enforced on an endpoint. A list of these, JSON, is `kinds` of the agent's `BlockListState`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enforced {
    /// Which kind.
    pub kind: Kind,
    /// Whether.
    pub how: How,
    /// Objects of the kind in the list that are in force.
    pub objects: u32,
    /// What is missing, or why it is not enforced; at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Whether a kind is enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// What is listed is blocked.
    Enforced,
    /// Some of it is blocked, or not in all ways.
    Partly,
    /// It is kept for services that see such things; the endpoint does nothing about it.
    NotHere,
}

/// Something listed was met. The detail of an event of kind [`HIT`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// What the listed object is.
    pub kind: Kind,
    /// The listed object, in its one form: the network, not the address that was met in it.
    pub value: String,
    /// What the list says about it.
    pub action: Action,
    /// Whether it was kept from happening.
    pub blocked: bool,
    /// `exec`, `open`, `connect`, `accept` or `dns`.
    pub way: String,
    /// The file, address or name that was met.
    pub subject: String,
    /// The version of the list.
    pub version: u64,
    /// How often, since the last such event.
    #[serde(default = "once")]
    pub count: u32,
    /// The process, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The path of its program, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Its user, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

fn once() -> u32 {
    1
}
