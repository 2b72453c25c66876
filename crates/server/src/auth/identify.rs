//! From a credential to whom it stands for, as the database says now.

use std::sync::Arc;

use quell_access::{Access, Grant, Role};
use quell_engine::access::{access_of, add, read};
use quell_store::membership::Held;
use quell_store::{Error, Micros, Tx, api_key, person, session};
use uuid::Uuid;

use super::credential::Presented;
use super::{Identity, Principal};

/// Looks a credential up. `None` where it stands for nobody who may do anything now.
pub(crate) fn identify(
    tx: &mut Tx<'_>,
    presented: &Presented,
    now: Micros,
) -> Result<Option<Identity>, Error> {
    match presented {
        Presented::Key(key) => {
            let row = api_key::by_prefix(tx, key.prefix())?;
            // One path for every key that is not known, so that the time taken tells nothing about which part was wrong.
            let Some(row) = key.check(row, now) else { return Ok(None) };
            of_key(tx, row)
        }
        Presented::Session(hash) => of_session(tx, hash, now),
    }
}

fn of_key(tx: &mut Tx<'_>, row: api_key::ApiKey) -> Result<Option<Identity>, Error> {
    let mut access = Access::default();
    let own = own_role(tx, row.tenant_id, &row.role)?;
    add(&mut access, &Held { role: row.role, grants: own });
    if let Some(scope) = &row.scope {
        // A scope that cannot be read lets nothing through.
        let Some(grant) = read(scope) else { return Ok(None) };
        access = access.narrowed(&grant);
    }
    let (mut human, mut is_guest) = (row.id, false);
    if let Some(owner) = row.owner {
        let Some(person) = person::get(tx, owner)?.filter(|person| person.state == "active") else {
            return Ok(None);
        };
        human = person.human;
        is_guest = person.tenant_id != row.tenant_id;
        access = access.and(&access_of(tx, row.tenant_id, owner)?);
    }
    Ok(Some(Identity {
        tenant: row.tenant_id,
        id: row.id,
        principal: Principal::Key,
        human,
        is_guest,
        name: row.name,
        access: Arc::new(access),
        expires_at: row.expires_at,
    }))
}

fn of_session(tx: &mut Tx<'_>, hash: &[u8; 32], now: Micros) -> Result<Option<Identity>, Error> {
    let Some(session::Known { session, home, human, name, state }) = session::by_hash(tx, hash)? else {
        return Ok(None);
    };
    let is_idle = session.last_used_at + super::login::IDLE <= now;
    if session.revoked_at.is_some() || session.expires_at <= now || is_idle || state != "active" {
        return Ok(None);
    }
    let access = access_of(tx, session.tenant_id, session.person_id)?;
    // Who is nothing in the tenant any more has no session there.
    if access.roles().next().is_none() {
        return Ok(None);
    }
    Ok(Some(Identity {
        tenant: session.tenant_id,
        id: session.person_id,
        principal: Principal::Person { session: session.id },
        human,
        is_guest: home != session.tenant_id,
        name,
        access: Arc::new(access),
        expires_at: Some(session.expires_at),
    }))
}

/// What a role grants, by its name or id; `None` where the tenant has no such role.
pub(crate) fn of_role(tx: &mut Tx<'_>, tenant: Uuid, role: &str) -> Result<Option<Grant>, Error> {
    Ok(match Role::from_name(role) {
        Some(role) => Some(Grant::of_role(role)),
        None => own_role(tx, tenant, role)?.and_then(|stored| read(&stored)),
    })
}

fn own_role(tx: &mut Tx<'_>, tenant: Uuid, name: &str) -> Result<Option<String>, Error> {
    if Role::from_name(name).is_some() {
        return Ok(None);
    }
    let Ok(id) = Uuid::parse_str(name) else { return Ok(None) };
    Ok(quell_store::role::get(tx, tenant, id)?.map(|role| role.grants))
}
