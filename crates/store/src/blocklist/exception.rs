//! What is never listed, whoever asks.

use uuid::Uuid;

use crate::{Error, Micros, Tx, tx::sql};

/// What is never listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// What it is.
    pub kind: i64,
    /// Its value.
    pub value: Vec<u8>,
    /// Its value for people.
    pub shown: String,
    /// Why.
    pub reason: String,
    /// Who said so.
    pub added_by: String,
    /// When.
    pub added_at: Micros,
}

sql! {
    EXCEPTIONS = "SELECT kind, value, shown, reason, added_by, added_at FROM blocklist_exception WHERE tenant_id = $1 \
        ORDER BY kind, shown LIMIT 20000";
    EXCEPT = "INSERT INTO blocklist_exception (tenant_id, kind, value, shown, reason, added_by, added_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, kind, value) DO UPDATE SET reason = excluded.reason";
    UNEXCEPT = "DELETE FROM blocklist_exception WHERE tenant_id = $1 AND kind = $2 AND value = $3";
}

/// What is never listed.
pub fn exceptions(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Vec<Exception>, Error> {
    tx.query(EXCEPTIONS, &[&tenant], |mut row| {
        Ok(Exception {
            kind: row.take()?,
            value: row.take()?,
            shown: row.take()?,
            reason: row.take()?,
            added_by: row.take()?,
            added_at: row.take()?,
        })
    })
}

/// Adds an exception, or says anew why it is one.
pub fn except(tx: &mut Tx<'_>, tenant: Uuid, exception: &Exception) -> Result<(), Error> {
    let Exception { kind, value, shown, reason, added_by, added_at } = exception;
    tx.execute(EXCEPT, &[&tenant, kind, value, shown, reason, added_by, added_at]).map(drop)
}

/// Ends an exception.
pub fn unexcept(tx: &mut Tx<'_>, tenant: Uuid, kind: i64, value: &[u8]) -> Result<bool, Error> {
    tx.execute(UNEXCEPT, &[&tenant, &kind, &value]).map(|rows| rows == 1)
}
