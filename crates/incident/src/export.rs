//! An incident for others: JSON with everything, a STIX 2.1 bundle, a report that stands alone.
//!
//! Each says the same in its own way, deterministically, and lets nothing of what endpoints told become markup.

mod html;
mod json;
mod markup;
mod stix;
mod svg;
mod uuid;

use crate::chain::View;
use crate::setting::Setting;

pub use html::html;
pub use json::{FORMAT, VERSION, json};
pub use stix::stix;
pub use svg::svg;

/// All that an export tells.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The organisation, by its name.
    pub tenant: &'a str,
    /// The incident.
    pub incident: &'a Incident,
    /// Its chains, in the order in which they joined.
    pub views: &'a [View<'a>],
    /// Endpoints by their ids: their names are told.
    pub setting: &'a Setting,
    /// What was done about it, the earliest first.
    pub actions: &'a [ResponseAction],
    /// What people noted, the earliest first.
    pub notes: &'a [Note],
    /// When this is written, microseconds since 1970.
    pub made_at_us: i64,
}

/// An incident as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incident {
    /// UUID.
    pub id: String,
    /// Its number within the tenant.
    pub number: u64,
    /// What happened.
    pub title: String,
    /// `informational` to `critical`.
    pub severity: String,
    /// `open`, `in_progress` or `closed`.
    pub status: String,
    /// How it ended, where it is closed.
    pub resolution: Option<String>,
    /// Who works on it, by name.
    pub assignee: Option<String>,
    /// The first activity event that was detected, microseconds since 1970.
    pub first_at_us: i64,
    /// The last.
    pub last_at_us: i64,
}

/// Something that was done from the incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseAction {
    /// Id of the task.
    pub task: String,
    /// Id of the action: `file.quarantine`.
    pub action: String,
    /// On what, for people.
    pub object: String,
    /// On which endpoint, by name; absent where it was for all.
    pub endpoint: Option<String>,
    /// State of the task.
    pub state: String,
    /// Who asked for it, by name.
    pub requested_by: String,
    /// When, microseconds since 1970.
    pub requested_at_us: i64,
    /// When it ended; absent while it has not.
    pub ended_at_us: Option<i64>,
}

/// What a person noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// Its id.
    pub id: String,
    /// Who, by name.
    pub author: String,
    /// When, microseconds since 1970.
    pub at_us: i64,
    /// What.
    pub text: String,
}

impl Report<'_> {
    /// Techniques that the detections name, sorted, each once.
    pub fn techniques(&self) -> Vec<&str> {
        let hits = self.views.iter().flat_map(|view| &view.chain.detections);
        let mut all: Vec<_> = hits.flat_map(|hit| &hit.techniques).map(String::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Ids of its endpoints, sorted, each once.
    pub fn endpoints(&self) -> Vec<&str> {
        let mut all: Vec<_> = self.views.iter().map(|view| view.chain.endpoint.as_str()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
