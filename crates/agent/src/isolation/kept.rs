//! What is kept of an isolation over restarts. Written and synced before the first rule stands.

use std::net::SocketAddr;

use quell_catalog::endpoint::isolate::Params;
use quell_host::isolate::{Means, Plan};
use serde::{Deserialize, Serialize};

use super::release::Release;
use crate::state::{self, StateDir};

const FILE: &str = "isolation.json";
const LAST: &str = "isolation-last.json";
const MARK: &str = "mark";

/// How far the isolation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The rules may stand; whether the server is still reachable is not known yet.
    Testing,
    /// The server was reached after the cut.
    Confirmed,
}

/// A peer that was tried before the cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// Whom.
    pub target: SocketAddr,
    /// How.
    pub means: Means,
    /// What was seen, in words.
    pub before: String,
    /// Whether it was reached.
    pub reached: bool,
}

/// One isolation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The order that asked for it.
    pub order_id: String,
    /// How far it is.
    pub phase: Phase,
    /// What was asked.
    pub params: Params,
    /// What is cut.
    pub plan: Plan,
    /// Peers that were tried before the cut.
    pub canaries: Vec<Canary>,
    /// When it began, microseconds since 1970.
    pub since_us: i64,
    /// The boot in which it began.
    pub boot_id: String,
    /// What lets a person at the endpoint end it.
    pub release: Option<Release>,
    /// The isolation that it replaces, to return to when it fails.
    pub previous: Option<Box<Kept>>,
}

/// How the last change ended, for an order whose outcome was not written down any more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Last {
    /// The order.
    pub order_id: String,
    /// What happened.
    pub what: What,
}

/// How a change ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An isolation was taken back, for this reason.
    Reverted {
        /// Stable code.
        code: String,
        /// For a person.
        message: String,
    },
    /// An isolation was lifted by a restore order.
    Restored(Box<Kept>),
}

/// The isolation in the state directory. A file that cannot be understood counts as an error, never as none.
pub fn load(state: &StateDir) -> Result<Option<Kept>, super::Error> {
    read(state, FILE)
}

/// Writes and syncs it.
pub fn save(state: &StateDir, kept: Option<&Kept>) -> Result<(), super::Error> {
    match kept {
        Some(kept) => write(state, FILE, kept),
        None => Ok(state.remove(FILE)?),
    }
}

/// How the last change ended.
pub fn last(state: &StateDir) -> Result<Option<Last>, super::Error> {
    read(state, LAST)
}

/// Writes and syncs how a change ended.
pub fn save_last(state: &StateDir, last: &Last) -> Result<(), super::Error> {
    write(state, LAST, last)
}

/// The mark that all sockets of this agent carry: chosen once at random, so that the channel that stands
/// when an isolation begins lives through it.
pub fn mark(state: &StateDir) -> Result<u32, super::Error> {
    if let Some(kept) = load(state)? {
        return Ok(kept.plan.mark);
    }
    let kept = state.read(MARK)?.and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    if let Some(mark) = kept.filter(|mark| *mark != 0) {
        return Ok(mark);
    }
    let mark = u32::from_le_bytes(crate::random::bytes()?).max(1);
    state.write(MARK, &mark.to_le_bytes())?;
    Ok(mark)
}

fn read<T: for<'de> Deserialize<'de>>(
    state: &StateDir,
    name: &'static str,
) -> Result<Option<T>, super::Error> {
    let Some(bytes) = state.read(name)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| super::Error::Damaged(name))
}

fn write<T: Serialize>(state: &StateDir, name: &'static str, value: &T) -> Result<(), super::Error> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|_| super::Error::Damaged(name))?;
    Ok(state.write(name, &bytes)?)
}

/// Why the state directory's own error is passed on as it is: it names the file.
impl From<state::Error> for super::Error {
    fn from(error: state::Error) -> Self {
        Self::State(error)
    }
}
