//! Versions of block lists: which one of each tenant was signed last, and what is checked of the next.
//!
//! The signer keeps no list; it keeps the version and the digest that binds all before it. So whoever holds the server can
//! have what they like listed, as far as the policy lets `blocklist.add` pass, and nobody can take a list back to an older
//! version, tell two agents two histories, or list what must never be blocked.

use std::path::Path;

use prost::Message as _;
use quell_catalog::ActionKind;
use quell_catalog::blocklist::{Kind, Value};
use quell_wire::blocklist::{Delta, Held, Plain};
use quell_wire::digest::{hex, unhex};
use quell_wire::limits;
use serde::{Deserialize, Serialize};

use crate::check::Refusal;
use crate::file;
use crate::last::Last;
use crate::policy::Policy;

/// In the signer's directory.
const FILE: &str = "blocklists.json";

/// What was signed last of each tenant's list.
#[derive(Debug)]
pub(crate) struct Versions(Last<Version>);

/// A version that was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Version {
    version: u64,
    digest: String,
}

impl Version {
    fn of(held: &Held) -> Self {
        Self { version: held.version, digest: hex(&held.digest) }
    }

    fn held(&self) -> Held {
        Held {
            version: self.version,
            digest: unhex::<32>(&self.digest).map(|digest| digest.to_vec()).unwrap_or_default(),
        }
    }
}

/// A delta that may be signed.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) tenant: String,
    /// The version that it makes, or is a part of.
    pub(crate) held: Held,
}

impl Versions {
    /// Reads what was signed.
    pub(crate) fn open(directory: &Path) -> Result<Self, file::Error> {
        Last::open(directory, FILE).map(Self)
    }

    /// Checks a delta.
    pub(crate) fn examine(&self, bytes: &[u8], policy: &Policy, now_us: i64) -> Result<Examined, Refusal> {
        let delta = Delta::read(bytes)
            .map_err(|error| Refusal::new(error.code(), "the delta of a block list cannot be read"))?;
        if delta.encode_to_vec() != bytes {
            let message = "the delta has a field that this signer does not know";
            return Err(Refusal::new("blocklist_unknown_field", message));
        }
        if delta.made_at_us > now_us.saturating_add(limits::CLOCK_SKEW_US) {
            return Err(Refusal::new("blocklist_time", "the delta was made after now"));
        }
        check_policy(&delta, policy)?;
        check_values(&delta)?;
        let held = self.follows(&delta, bytes)?;
        Ok(Examined { tenant: delta.tenant_id, held })
    }

    /// The version that a delta makes, where it may follow what was signed.
    fn follows(&self, delta: &Delta, bytes: &[u8]) -> Result<Held, Refusal> {
        let last = self.0.of(&delta.tenant_id).map(Version::held);
        let held = match &delta.part {
            Some(part) => Held { version: delta.to_version, digest: part.digest.clone() },
            None => Held { version: delta.from_version, digest: delta.base.clone() }.then(bytes),
        };
        let Some(last) = last else { return Ok(held) };
        let follows = match &delta.part {
            // The whole list, at the version that was signed or, after a loss, at a later one.
            Some(_) => held == last || held.version > last.version,
            // The next version, or once more the one that was signed last.
            None => held == last || (delta.from_version == last.version && delta.base == last.digest),
        };
        follows.then_some(held).ok_or_else(|| {
            let message = format!(
                "version {} of the block list does not follow version {}, which was signed last",
                delta.to_version, last.version
            );
            Refusal::new("blocklist_version", message)
        })
    }

    /// Keeps what is signed, before it is.
    pub(crate) fn keep(&mut self, examined: &Examined) -> Result<(), file::Error> {
        self.0.keep(&examined.tenant, Version::of(&examined.held))
    }
}

fn check_policy(delta: &Delta, policy: &Policy) -> Result<(), Refusal> {
    if !policy.allows_tenant(&delta.tenant_id) {
        return Err(Refusal::new("tenant_not_allowed", "the signer's policy does not name this tenant"));
    }
    // What goes may have expired: only what comes needs the right to list. A snapshot says what was listed already.
    if delta.part.is_none() && !delta.adds.is_empty() && !policy.allows_action(ActionKind::BlocklistAdd) {
        return Err(Refusal::new("action_not_allowed", "the signer's policy does not allow this action"));
    }
    Ok(())
}

fn check_values(delta: &Delta) -> Result<(), Refusal> {
    let unfit = || Refusal::new("blocklist_value", "the delta holds a value that is not in its one form");
    for group in &delta.adds {
        let kind = Kind::of_number(group.kind).ok_or_else(unfit)?;
        for value in &group.values {
            let value = Value::from_bytes(kind, value).ok_or_else(unfit)?;
            if value.built_in_exception().is_some() {
                let message = "the delta lists what must never be blocked";
                return Err(Refusal::new("blocklist_protected", message));
            }
        }
    }
    for Plain { kind, values } in delta.removes.iter().chain(&delta.excepts).chain(&delta.unexcepts) {
        let kind = Kind::of_number(*kind).ok_or_else(unfit)?;
        if values.iter().any(|value| Value::from_bytes(kind, value).is_none()) {
            return Err(unfit());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use quell_wire::blocklist::{Action, Group, Part, Risk};

    use super::*;

    fn delta(held: &Held, value: &str) -> Vec<u8> {
        let value = Value::parse(None, value).unwrap();
        let mut group =
            Group { kind: value.kind().number(), values: vec![value.to_bytes()], ..Group::default() };
        group.set_action(Action::Block);
        group.set_risk(Risk::High);
        Delta {
            tenant_id: "t".into(),
            from_version: held.version,
            to_version: held.version + 1,
            base: held.digest.clone(),
            adds: vec![group],
            ..Delta::default()
        }
        .encode_to_vec()
    }

    fn snapshot(held: &Held) -> Vec<u8> {
        let part = Part { snapshot: vec![1; 16], index: 0, count: 1, digest: held.digest.clone() };
        Delta { tenant_id: "t".into(), to_version: held.version, part: Some(part), ..Delta::default() }
            .encode_to_vec()
    }

    #[test]
    fn versions_rise_along_one_history_and_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let policy = Policy::default();
        let mut versions = Versions::open(dir.path()).unwrap();
        let first = delta(&Held::default(), "a.example");
        let examined = versions.examine(&first, &policy, 0).unwrap();
        versions.keep(&examined).unwrap();
        let one = examined.held.clone();
        assert_eq!(one, Held::default().then(&first));
        assert!(versions.examine(&first, &policy, 0).is_ok(), "the same once more");
        let fork = delta(&Held::default(), "b.example");
        assert_eq!(versions.examine(&fork, &policy, 0).unwrap_err().code, "blocklist_version");
        let second = versions.examine(&delta(&one, "b.example"), &policy, 0).unwrap();
        versions.keep(&second).unwrap();
        let mut versions = Versions::open(dir.path()).unwrap();
        assert_eq!(versions.examine(&first, &policy, 0).unwrap_err().code, "blocklist_version");
        assert_eq!(versions.examine(&snapshot(&one), &policy, 0).unwrap_err().code, "blocklist_version");
        assert!(versions.examine(&snapshot(&second.held), &policy, 0).is_ok());
        let later = Held { version: 9, digest: vec![3; 32] };
        let restarted = versions.examine(&snapshot(&later), &policy, 0).unwrap();
        versions.keep(&restarted).unwrap();
        assert!(versions.examine(&delta(&later, "c.example"), &policy, 0).is_ok());
    }

    #[test]
    fn what_must_not_be_listed_is_not_signed() {
        let dir = tempfile::tempdir().unwrap();
        let versions = Versions::open(dir.path()).unwrap();
        let code = |bytes: &[u8], policy: &Policy| versions.examine(bytes, policy, 0).unwrap_err().code;
        let any = Policy::default();
        assert_eq!(code(&delta(&Held::default(), "127.0.0.1"), &any), "blocklist_protected");
        let mut odd = Delta::decode(delta(&Held::default(), "a.example").as_slice()).unwrap();
        odd.adds[0].values = vec![b"localhost_without_dots".to_vec()];
        assert_eq!(code(&odd.encode_to_vec(), &any), "blocklist_value");
        odd.made_at_us = i64::MAX;
        assert_eq!(code(&odd.encode_to_vec(), &any), "blocklist_time");
        let narrow = Policy::parse(br#"{"actions": ["endpoint.*"]}"#).unwrap();
        assert_eq!(code(&delta(&Held::default(), "a.example"), &narrow), "action_not_allowed");
        let other = Policy::parse(br#"{"tenants": ["u"]}"#).unwrap();
        assert_eq!(code(&delta(&Held::default(), "a.example"), &other), "tenant_not_allowed");
        assert_eq!(code(b"\xff", &any), "blocklist_malformed");
    }
}
