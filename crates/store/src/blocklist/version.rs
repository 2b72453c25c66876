//! Versions of the list, and what led from one to the next.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// The newest version of a tenant's list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// 0 where nothing was ever written.
    pub version: i64,
    /// Empty with version 0.
    pub digest: Vec<u8>,
    /// Objects of the list.
    pub objects: i64,
    /// When it was made.
    pub updated_at: Micros,
}

/// What led to a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The version.
    pub version: i64,
    /// Its digest.
    pub digest: Vec<u8>,
    /// The encoded delta.
    pub delta: Vec<u8>,
    /// Its signature, once there is one.
    pub signature: Option<Vec<u8>>,
    /// Which key signed.
    pub key_id: Option<String>,
    /// When it was made.
    pub made_at: Micros,
    /// What made it: a task's id, `expiry`, `exceptions`.
    pub cause: String,
    /// Objects that came or changed.
    pub added: i64,
    /// Objects that went.
    pub removed: i64,
}

sql! {
    STATE = "SELECT version, digest, objects, updated_at FROM blocklist_state WHERE tenant_id = $1";
    STATES = "SELECT tenant_id, version, digest, objects, updated_at FROM blocklist_state LIMIT 100000";
    SET_STATE = "INSERT INTO blocklist_state (tenant_id, version, digest, objects, updated_at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (tenant_id) DO UPDATE SET version = excluded.version, digest = excluded.digest, \
        objects = excluded.objects, updated_at = excluded.updated_at";
    PUT_DELTA = "INSERT INTO blocklist_delta (tenant_id, version, digest, delta, made_at, cause, added, removed) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    SIGN = "UPDATE blocklist_delta SET signature = $3, key_id = $4 WHERE tenant_id = $1 AND version = $2";
    UNSIGNED = "SELECT version, digest, delta, signature, key_id, made_at, cause, added, removed FROM blocklist_delta \
        WHERE tenant_id = $1 AND signature IS NULL ORDER BY version LIMIT $2";
    DELTAS = "SELECT version, digest, delta, signature, key_id, made_at, cause, added, removed FROM blocklist_delta \
        WHERE tenant_id = $1 AND version > $2 ORDER BY version LIMIT $3";
    VERSIONS = "SELECT version, digest, delta, signature, key_id, made_at, cause, added, removed FROM blocklist_delta \
        WHERE tenant_id = $1 AND version < $2 ORDER BY version DESC LIMIT $3";
    FORGET = "DELETE FROM blocklist_delta WHERE tenant_id = $1 AND version <= $2";
}

fn read_delta(mut row: Row) -> Result<Delta, Error> {
    Ok(Delta {
        version: row.take()?,
        digest: row.take()?,
        delta: row.take()?,
        signature: row.take()?,
        key_id: row.take()?,
        made_at: row.take()?,
        cause: row.take()?,
        added: row.take()?,
        removed: row.take()?,
    })
}

/// The newest version.
pub fn state(tx: &mut Tx<'_>, tenant: Uuid) -> Result<State, Error> {
    let found = tx.query_opt(STATE, &[&tenant], |mut row| {
        Ok(State { version: row.take()?, digest: row.take()?, objects: row.take()?, updated_at: row.take()? })
    })?;
    Ok(found.unwrap_or_default())
}

/// The newest versions of all tenants that ever had one.
pub fn states(tx: &mut Tx<'_>) -> Result<Vec<(Uuid, State)>, Error> {
    tx.query(STATES, &[], |mut row| {
        let tenant = row.take()?;
        let state = State {
            version: row.take()?,
            digest: row.take()?,
            objects: row.take()?,
            updated_at: row.take()?,
        };
        Ok((tenant, state))
    })
}

/// Writes the newest version down, with what led to it.
pub fn advance(tx: &mut Tx<'_>, tenant: Uuid, state: &State, delta: &Delta) -> Result<(), Error> {
    set_state(tx, tenant, state)?;
    let Delta { version, digest, delta, made_at, cause, added, removed, .. } = delta;
    tx.execute(PUT_DELTA, &[&tenant, version, digest, delta, made_at, cause, added, removed]).map(drop)
}

/// Writes a version down to which nothing leads.
pub fn set_state(tx: &mut Tx<'_>, tenant: Uuid, state: &State) -> Result<(), Error> {
    let State { version, digest, objects, updated_at } = state;
    tx.execute(SET_STATE, &[&tenant, version, digest, objects, updated_at]).map(drop)
}

/// Keeps the signature of a version.
pub fn sign(tx: &mut Tx<'_>, tenant: Uuid, version: i64, signature: &[u8], key: &str) -> Result<(), Error> {
    tx.execute(SIGN, &[&tenant, &version, &signature, &key]).map(drop)
}

/// Versions without a signature, oldest first.
pub fn unsigned(tx: &mut Tx<'_>, tenant: Uuid, limit: i64) -> Result<Vec<Delta>, Error> {
    tx.query(UNSIGNED, &[&tenant, &limit], read_delta)
}

/// What led on from this version, oldest first.
pub fn deltas(tx: &mut Tx<'_>, tenant: Uuid, from: i64, limit: i64) -> Result<Vec<Delta>, Error> {
    tx.query(DELTAS, &[&tenant, &from, &limit], read_delta)
}

/// Versions before this one, newest first.
pub fn versions(tx: &mut Tx<'_>, tenant: Uuid, before: i64, limit: i64) -> Result<Vec<Delta>, Error> {
    tx.query(VERSIONS, &[&tenant, &before, &limit], read_delta)
}

/// Forgets what led to versions up to this one: who is that far behind gets the whole list.
pub fn forget(tx: &mut Tx<'_>, tenant: Uuid, up_to: i64) -> Result<u64, Error> {
    tx.execute(FORGET, &[&tenant, &up_to])
}
