//! What may be handed out: nobody gives what they do not have.

use quell_access::{Grant, Permission, Role};
use quell_store::{Tx, role};
use uuid::Uuid;

use super::{Caller, Principal, identify};
use crate::problem::{Code, Problem};

/// Refuses to hand out a grant that goes beyond the caller's own, to take it away, or to take over who has it. A program
/// has no permission that only people can use, whatever its role: it makes nobody who could decide in its place.
pub(crate) fn may_give(caller: &Caller, grant: &Grant, named: &str) -> Result<(), Problem> {
    let is_personal =
        |permission: Permission| permission.is_personal() && permission != Permission::SelfManage;
    if caller.identity.principal == Principal::Key && grant.permissions.iter().any(is_personal) {
        return Err(Problem::new(
            Code::Forbidden,
            format!("{named} may decide what only people decide, and a program with an API key gives that to nobody"),
        )
        .hint("Sign in: `quell login --email …`."));
    }
    if !caller.access().covers(grant) {
        return Err(Problem::new(Code::Forbidden, format!("{named} may more than who asks"))
            .hint("Nobody gives, takes or takes over what they do not have."));
    }
    Ok(())
}

/// A role of the tenant by its name or id: as it is stored, and what it grants.
pub(crate) fn resolve(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    text: &str,
) -> Result<Option<(String, Grant)>, quell_store::Error> {
    if let Some(role) = Role::from_name(text) {
        return Ok(Some((role.as_str().to_owned(), Grant::of_role(role))));
    }
    let id = match Uuid::try_parse(text) {
        Ok(id) => Some(id),
        Err(_) => role::by_name(tx, tenant, text)?.map(|role| role.id),
    };
    let Some(id) = id else { return Ok(None) };
    Ok(identify::of_role(tx, tenant, &id.to_string())?.map(|grant| (id.to_string(), grant)))
}
