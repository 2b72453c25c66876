//! Settings of a tenant: one JSON value per name.

use uuid::Uuid;

use crate::{Error, Micros, Tx, tx::sql};

sql! {
    SET = "INSERT INTO setting (tenant_id, name, value, updated_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";
    GET = "SELECT value FROM setting WHERE tenant_id = $1 AND name = $2";
    DELETE = "DELETE FROM setting WHERE tenant_id = $1 AND name = $2";
}

/// Sets a value, JSON text.
pub fn set(tx: &mut Tx<'_>, tenant: Uuid, name: &str, value: &str, now: Micros) -> Result<(), Error> {
    tx.execute(SET, &[&tenant, &name, &value, &now]).map(drop)
}

/// The value, JSON text.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, name: &str) -> Result<Option<String>, Error> {
    tx.query_opt(GET, &[&tenant, &name], |mut row| row.take())
}

/// Removes a value. `false` when there was none.
pub fn delete(tx: &mut Tx<'_>, tenant: Uuid, name: &str) -> Result<bool, Error> {
    tx.execute(DELETE, &[&tenant, &name]).map(|rows| rows == 1)
}
