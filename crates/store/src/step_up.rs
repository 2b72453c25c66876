//! Confirmations by a person at the moment of acting: each of one session, for one request, good once.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// A confirmation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepUp {
    /// The tenant of the session.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// The session that it is good in.
    pub session_id: Uuid,
    /// SHA-256 of the proof.
    pub hash: [u8; 32],
    /// SHA-256 of the body of the request that it is good for.
    pub request: [u8; 32],
    /// How the person confirmed: `password`, `totp`, `passkey`.
    pub method: String,
    /// When.
    pub created_at: Micros,
    /// When it ends by itself.
    pub expires_at: Micros,
    /// When it was used.
    pub used_at: Option<Micros>,
}

macro_rules! columns {
    () => {
        "tenant_id, id, session_id, hash, request, method, created_at, expires_at, used_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO step_up (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
    BY_HASH = concat!("SELECT ", columns!(), " FROM step_up WHERE tenant_id = $1 AND session_id = $2 AND hash = $3");
    USE = "UPDATE step_up SET used_at = $3 WHERE tenant_id = $1 AND id = $2 AND used_at IS NULL";
    SWEEP = "DELETE FROM step_up WHERE expires_at < $1";
}

fn read(mut row: Row) -> Result<StepUp, Error> {
    Ok(StepUp {
        tenant_id: row.take()?,
        id: row.take()?,
        session_id: row.take()?,
        hash: row.take()?,
        request: row.take()?,
        method: row.take()?,
        created_at: row.take()?,
        expires_at: row.take()?,
        used_at: row.take()?,
    })
}

/// Adds a confirmation.
pub fn insert(tx: &mut Tx<'_>, row: &StepUp) -> Result<(), Error> {
    let StepUp { tenant_id, id, session_id, hash, request, method, created_at, expires_at, used_at } = row;
    tx.execute(INSERT, &[tenant_id, id, session_id, hash, request, method, created_at, expires_at, used_at])
        .map(drop)
}

/// The confirmation of a session with this proof's digest.
pub fn by_hash(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    session: Uuid,
    hash: &[u8; 32],
) -> Result<Option<StepUp>, Error> {
    tx.query_opt(BY_HASH, &[&tenant, &session, hash], read)
}

/// Uses a confirmation up. `false` when it was used before.
pub fn use_up(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, now: Micros) -> Result<bool, Error> {
    tx.execute(USE, &[&tenant, &id, &now]).map(|rows| rows == 1)
}

/// Removes confirmations that ended by themselves before this.
pub fn sweep(tx: &mut Tx<'_>, before: Micros) -> Result<u64, Error> {
    tx.execute(SWEEP, &[&before])
}
