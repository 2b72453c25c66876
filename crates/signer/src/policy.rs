//! What the signer's operator allows, whatever the server says: `signer.json` in the signer's directory.
//!
//! Every field may be absent and then allows everything: without the file, the signer checks that an order is what it says
//! to be, and limits nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use quell_catalog::ActionKind;
use serde::{Deserialize, Serialize};

use crate::file;

/// Stands for every action.
const ANY: &str = "*";

/// The policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its file cannot be read or written.
    #[error("the signer's policy cannot be read or written")]
    File(#[from] file::Error),
    /// It is not a policy.
    #[error("the signer's policy is not one: {0}")]
    Format(#[from] serde_json::Error),
    /// It names an action that the catalogue does not have.
    #[error(
        "the signer's policy names {0:?}, which is no action; a group is written `endpoint.*`, all of them `*`"
    )]
    Action(String),
    /// A number that would let nothing through, or could not be met.
    #[error("the signer's policy: {field} {problem}")]
    Number {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// What an operator of the signer allows. Actions are named by their id, by group (`endpoint.*`), or all by `*`; the most
/// exact name that fits counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// For these tenants alone; absent: for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenants: Option<BTreeSet<String>>,
    /// These actions alone; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<BTreeSet<String>>,
    /// How many different people's approvals must travel with an order of an action.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub approvals: BTreeMap<String, u32>,
    /// Whether only approvals with a valid signature of an approver count.
    #[serde(skip_serializing_if = "is_false")]
    pub signatures: bool,
    /// How many targets an intent may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_targets: Option<u64>,
    /// How many orders are signed in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders_per_minute: Option<u32>,
    /// How many orders are signed in a minute for one tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders_per_minute_per_tenant: Option<u32>,
    /// The most that protection documents may have endpoints do; absent: `prevent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protection: Option<Protecting>,
    /// How many full files of the journal are kept, of 64 MiB each; absent: 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal_files: Option<u32>,
}

/// The most that a protection document may have endpoints do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protecting {
    /// No document is signed: endpoints keep what they have.
    None,
    /// They record and detect.
    Detect,
    /// They prevent what the document says.
    Prevent,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Policy {
    /// Reads a policy; unknown fields and unknown actions are refused, since a misspelt rule would allow what it forbids.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        // An array would be read field by field.
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(bytes)?;
        let policy: Self = serde_json::from_value(fields.into())?;
        let named = policy.actions.iter().flatten().chain(policy.approvals.keys());
        if let Some(unknown) = named.into_iter().find(|name| !is_known(name)) {
            return Err(Error::Action(unknown.clone()));
        }
        if policy.approvals.values().any(|count| *count as usize > quell_wire::limits::APPROVALS) {
            return Err(Error::Number {
                field: "approvals",
                problem: "asks for more than an order can carry",
            });
        }
        let none = "is zero, which would let nothing through";
        if policy.orders_per_minute == Some(0) {
            return Err(Error::Number { field: "orders_per_minute", problem: none });
        }
        if policy.orders_per_minute_per_tenant == Some(0) {
            return Err(Error::Number { field: "orders_per_minute_per_tenant", problem: none });
        }
        Ok(policy)
    }

    /// Reads the file; what allows everything where there is none.
    pub fn open(path: &Path) -> Result<Self, Error> {
        file::read(path)?.map_or_else(|| Ok(Self::default()), |bytes| Self::parse(&bytes))
    }

    /// Writes the file, in one step.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(file::replace(path, &bytes)?)
    }

    /// Whether this tenant's orders are signed.
    pub(crate) fn allows_tenant(&self, tenant: &str) -> bool {
        self.tenants.as_ref().is_none_or(|tenants| tenants.contains(tenant))
    }

    /// Whether orders of this action are signed.
    pub(crate) fn allows_action(&self, kind: ActionKind) -> bool {
        self.actions.as_ref().is_none_or(|actions| names(kind).iter().any(|name| actions.contains(name)))
    }

    /// How many approvals must travel with an order of this action.
    pub(crate) fn approvals_for(&self, kind: ActionKind) -> usize {
        names(kind).iter().find_map(|name| self.approvals.get(name)).copied().unwrap_or(0) as usize
    }
}

/// What an action may be called by, the most exact first.
fn names(kind: ActionKind) -> [String; 3] {
    [kind.id().to_owned(), format!("{}.*", kind.spec().group()), ANY.to_owned()]
}

fn is_known(name: &str) -> bool {
    ActionKind::ALL.iter().any(|kind| names(*kind).iter().any(|known| known == name))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_most_exact_name_counts() {
        let text = br#"{"approvals": {"endpoint.run_script": 2, "endpoint.*": 1, "*": 0}, "actions": ["endpoint.*"]}"#;
        let policy = Policy::parse(text).unwrap();
        assert_eq!(policy.approvals_for(ActionKind::EndpointRunScript), 2);
        assert_eq!(policy.approvals_for(ActionKind::EndpointIsolate), 1);
        assert_eq!(policy.approvals_for(ActionKind::FileCollect), 0);
        assert!(policy.allows_action(ActionKind::EndpointIsolate));
        assert!(!policy.allows_action(ActionKind::FileCollect));
        assert!(policy.allows_tenant("anybody"));
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        for bad in [
            r#"{"aprovals": {}}"#,
            r#"{"actions": ["endpoint.isolat"]}"#,
            r#"{"approvals": {"endpoint": 1}}"#,
            r#"{"approvals": {"*": 17}}"#,
            r#"{"orders_per_minute": 0}"#,
            r#"{"orders_per_minute_per_tenant": 0}"#,
            r#"{"max_targets": -1}"#,
            "[]",
            "",
        ] {
            assert!(Policy::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn it_is_kept_as_it_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("signer.json");
        assert_eq!(Policy::open(&path).unwrap(), Policy::default());
        let policy = Policy { max_targets: Some(7), signatures: true, ..Policy::default() };
        policy.save(&path).unwrap();
        assert_eq!(Policy::open(&path).unwrap(), policy);
    }
}
