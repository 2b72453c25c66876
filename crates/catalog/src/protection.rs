//! What agents say of their flight recorder and of the rules that they apply: read by the server, shown to people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Characters of a text here; longer ones are cut by whoever writes them.
pub const TEXT: usize = 200;
/// Rules that are named as refused at most.
pub const REFUSED: usize = 50;

/// How a flight recorder does: `detail` of the agent's `RecorderState`, JSON. A field that is not known is ignored, one that is
/// absent says nothing. It is told when something in it changed that a person would want to know, and then at most once in a
/// minute: numbers that rise all the time make no news.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recorder {
    /// Whether activity is recorded.
    pub recording: bool,
    /// Why it is not, or not all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Where each kind of activity comes from.
    pub sources: Vec<RecorderSource>,
    /// Activity events that were lost since the agent's start, by kind.
    pub lost: BTreeMap<String, u64>,
    /// Changes of files whose directory was removed before it could be looked at: no loss of the recorder's.
    pub vanished_files: u64,
    /// Rules in force, by source: `behaviour`, `yara`.
    pub rules: BTreeMap<String, u32>,
    /// Rules that this agent does not take; at most [`REFUSED`].
    pub refused: Vec<RefusedRule>,
    /// Whether hits can be prevented here; where not, `prevent` means `detect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prevents: Option<bool>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not_prevented: Option<String>,
    /// Bytes that the ring takes on the disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_bytes: Option<u64>,
}

/// Where a kind of activity comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecorderSource {
    /// Which activity: `process`, `file`, `connection`, `dns`, `login`.
    pub activity: String,
    /// By what means: `ebpf`, `netlink`, `fanotify`, `utmp`; empty where by none.
    pub means: String,
    /// Why no better means is used, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A rule that an agent does not take.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusedRule {
    /// `behaviour` or `yara`.
    pub source: String,
    /// Its id, or name; empty where the whole body is meant.
    pub rule: String,
    /// Why.
    pub problem: String,
}
