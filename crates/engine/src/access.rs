//! What people may do in a tenant, as its rows say now.

use quell_access::{Access, Grant, Grants, Role};
use quell_store::{Error, Tx, membership, membership::Held};
use uuid::Uuid;

/// What a person may do in a tenant, by all their roles.
pub fn access_of(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid) -> Result<Access, Error> {
    let mut access = Access::default();
    for held in membership::held(tx, tenant, person)? {
        add(&mut access, &held);
    }
    Ok(access)
}

/// Adds what a role grants. One that is unknown or cannot be read grants nothing.
pub fn add(access: &mut Access, held: &Held) {
    let grant = match (Role::from_name(&held.role), &held.grants) {
        (Some(role), _) => Some(Grant::of_role(role)),
        (None, Some(stored)) => read(stored),
        (None, None) => None,
    };
    if let Some(grant) = grant {
        access.add(&held.role, grant);
    }
}

/// Reads a stored grant.
pub fn read(stored: &str) -> Option<Grant> {
    let grants: Grants = serde_json::from_str(stored).ok()?;
    Grant::read(&grants).ok()
}
