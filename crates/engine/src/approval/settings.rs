//! The approval policy of a tenant, as it is stored.

use std::sync::LazyLock;

use quell_access::Policy;
use quell_store::{Tx, setting};
use uuid::Uuid;

use crate::Error;

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
