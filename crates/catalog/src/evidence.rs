//! What proves an outcome: probes, each with what it expected and what it saw.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One observation that an outcome rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// What was looked at, for example `tcp 192.0.2.7:443` or `process 4211`.
    pub subject: String,
    /// How it was looked at, for example `connect`, `rules read back`, `pidfd`.
    pub method: String,
    /// What was seen before the act, where the probe looked then too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What was seen after it.
    pub after: String,
    /// Whether that is what the act had to bring about.
    pub held: bool,
    /// Whether this probe proves the effect by itself, or only supports it (a canary that was not reachable
    /// before the cut proves nothing by being unreachable after it).
    pub proves: bool,
}

impl Probe {
    /// One line for a person.
    pub fn sentence(&self) -> String {
        let verdict = if self.held { "as required" } else { "NOT as required" };
        match &self.before {
            Some(before) => format!(
                "{} ({}): {} before, {} after: {verdict}",
                self.subject, self.method, before, self.after
            ),
            None => format!("{} ({}): {}: {verdict}", self.subject, self.method, self.after),
        }
    }
}

/// The sentences of all probes, in order.
pub fn sentences(probes: &[Probe]) -> Vec<String> {
    probes.iter().map(Probe::sentence).collect()
}

/// The first probe that did not see what it had to.
pub fn first_failed(probes: &[Probe]) -> Option<&Probe> {
    probes.iter().find(|probe| !probe.held)
}
