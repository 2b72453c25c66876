//! Checkpoints of the audit trail: appended, never changed.

use uuid::Uuid;

use crate::{Error, Row, Tx, tx::sql};

/// A checkpoint as it was signed. What its bytes say is the business of who made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose trail.
    pub tenant_id: Uuid,
    /// Its number, from 0 without a gap.
    pub batch: i64,
    /// What was signed.
    pub body: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// Of which key.
    pub key_id: String,
}

sql! {
    INSERT = "INSERT INTO audit_checkpoint (tenant_id, batch, body, signature, key_id) VALUES ($1, $2, $3, $4, $5)";
    LAST = "SELECT tenant_id, batch, body, signature, key_id FROM audit_checkpoint WHERE tenant_id = $1 \
        ORDER BY batch DESC LIMIT 1";
    LIST = "SELECT tenant_id, batch, body, signature, key_id FROM audit_checkpoint WHERE tenant_id = $1 AND batch > $2 \
        ORDER BY batch LIMIT $3";
}

fn read(mut row: Row) -> Result<Checkpoint, Error> {
    Ok(Checkpoint {
        tenant_id: row.take()?,
        batch: row.take()?,
        body: row.take()?,
        signature: row.take()?,
        key_id: row.take()?,
    })
}

/// Appends a checkpoint. [`Error::Conflict`] when its number is taken.
pub fn append(tx: &mut Tx<'_>, row: &Checkpoint) -> Result<(), Error> {
    tx.execute(INSERT, &[&row.tenant_id, &row.batch, &row.body, &row.signature, &row.key_id]).map(drop)
}

/// The newest checkpoint of a tenant.
pub fn last(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Option<Checkpoint>, Error> {
    tx.query_opt(LAST, &[&tenant], read)
}

/// Checkpoints of a tenant after this number (begin with -1), oldest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, after: i64, limit: i64) -> Result<Vec<Checkpoint>, Error> {
    tx.query(LIST, &[&tenant, &after, &limit], read)
}
