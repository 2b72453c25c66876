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
    /// By which of its rules protection keeps it from running; none where an order does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

/// A rule of protection that hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Number of `quell_wire::activity::Source`.
    pub source: i32,
    /// Number of `quell_wire::activity::Severity`.
    pub severity: i32,
    /// Its id.
    pub rule: String,
}

impl Kept {
    /// Takes the rule of a content out.
    pub fn take(&mut self, hash: &str) -> Option<KeptRule> {
        let at = self.rules.iter().position(|rule| rule.hash == hash)?;
        Some(self.rules.remove(at))
    }

    /// Has fewer than so many of protection's: those that came first go.
    pub fn make_room(&mut self, most: usize) {
        let count = self.rules.iter().filter(|rule| rule.cause.is_some()).count();
        let mut beyond = (count + 1).saturating_sub(most);
        self.rules.retain(|rule| {
            let goes = beyond > 0 && rule.cause.is_some();
            beyond -= usize::from(goes);
            !goes
        });
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(hash: usize, by_protection: bool) -> KeptRule {
        let cause = Cause { source: 2, severity: 4, rule: "r".to_owned() };
        KeptRule {
            order_id: "o".to_owned(),
            hash: hash.to_string(),
            paths: Vec::new(),
            since_us: 1,
            cause: by_protection.then_some(cause),
        }
    }

    #[test]
    fn the_oldest_of_protections_goes_and_orders_stay() {
        let mut kept = Kept { rules: (0..20).map(|n| rule(n, n % 2 == 1)).collect() };
        kept.make_room(11);
        assert_eq!(kept.rules.len(), 20, "there is room for one more");
        kept.make_room(8);
        let hashes: Vec<&str> = kept.rules.iter().map(|rule| rule.hash.as_str()).collect();
        assert_eq!((hashes.len(), &hashes[..5]), (17, &["0", "2", "4", "6", "7"][..]));
        assert_eq!(kept.take("6").map(|rule| rule.cause), Some(None));
        assert!(kept.take("6").is_none());
        let text = serde_json::to_string(&kept.rules[0]).unwrap_or_default();
        assert!(!text.contains("cause"), "as it was before there were any");
    }
}
