//! The approval policy of a tenant, as it is stored.

use std::sync::LazyLock;

use quell_access::Policy;
use quell_access::policy::{Class, Question, Verdict, decide};
use quell_catalog::Spec;
use quell_store::{Tx, endpoint::Endpoint, setting};
use uuid::Uuid;

use super::{ask, trust};
use crate::{Engine, Error};

/// The name of the setting.
pub const POLICY: &str = "approval_policy";

static DEFAULT: LazyLock<Policy> = LazyLock::new(Policy::default);

/// The policy that holds now. One that cannot be read lets nothing pass.
pub fn policy(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Policy, Error> {
    match setting::get(tx, tenant, POLICY)? {
        None => Ok(DEFAULT.clone()),
        Some(stored) => serde_json::from_str(&stored).map_err(|_| Error::Corrupt("approval policy")),
    }
}

impl Engine {
    /// What a policy, stored or not, would answer to a requester of this class, with the lists and the root of trust that
    /// hold now. Nothing is written, and no broken glass is looked at.
    ///
    /// # Errors
    /// Where the store fails, or holds what cannot be read.
    pub fn try_policy(
        &self,
        tx: &mut Tx<'_>,
        tenant: Uuid,
        policy: &Policy,
        (spec, class): (&Spec, Class),
        endpoints: &[Endpoint],
    ) -> Result<Verdict, Error> {
        let facts = ask::facts(tx, &self.inner, policy, (spec, class), (tenant, endpoints))?;
        let targets: Vec<_> = facts.into_iter().map(|(_, facts)| facts).collect();
        let mut verdict = decide(policy, &Question { spec, class, targets: &targets, break_glass: false });
        trust::raise(tx, tenant, spec.id, &mut verdict)?;
        Ok(verdict)
    }
}
