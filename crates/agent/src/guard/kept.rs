//! The rules on disk.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::state::StateDir;

const FILE: &str = "guard.json";

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// In the order in which they came.
    pub rules: Vec<KeptRule>,
}

/// Content that must not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRule {
    /// The order that asked for it.
    pub order_id: String,
    /// Lower-case hex: 64 digits of SHA-256, or 40 of SHA-1.
    pub hash: String,
    /// Files that had this content when it was asked for.
    pub paths: Vec<OsString>,
    /// Since when, microseconds since 1970.
    pub since_us: i64,
}

/// A file that cannot be understood is an error, never no rules.
pub fn load(state: &StateDir) -> Result<Kept, Error> {
    match state.read(FILE)? {
        None => Ok(Kept::default()),
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| Error::Damaged(FILE)),
    }
}

/// Written and synced when this returns.
pub fn save(state: &StateDir, kept: &Kept) -> Result<(), Error> {
    if kept.rules.is_empty() {
        return Ok(state.remove(FILE)?);
    }
    let bytes = serde_json::to_vec(kept).map_err(|_| Error::Damaged(FILE))?;
    Ok(state.write(FILE, &bytes)?)
}
