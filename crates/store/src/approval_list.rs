//! The lists of endpoints in a tenant's approval settings, pinned by id.

use uuid::Uuid;

use crate::{Error, Micros, Tx, tx::sql};

/// An endpoint on a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub tenant_id: Uuid,
    /// `except`, `only` or `protected`.
    pub list: String,
    /// The endpoint.
    pub endpoint_id: Uuid,
    /// How it was written when the list was imported.
    pub written: String,
    /// When.
    pub added_at: Micros,
}

sql! {
    INSERT = "INSERT INTO approval_list (tenant_id, list, endpoint_id, written, added_at) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT DO NOTHING";
    CLEAR = "DELETE FROM approval_list WHERE tenant_id = $1 AND list = $2";
    ALL_OF = "SELECT tenant_id, list, endpoint_id, written, added_at FROM approval_list WHERE tenant_id = $1 AND list = $2 \
        ORDER BY written, endpoint_id LIMIT $3";
    IS_ANY = "SELECT 1 FROM approval_list WHERE tenant_id = $1 LIMIT 1";
    OF_MACHINE = "SELECT DISTINCT l.list FROM endpoint e JOIN approval_list l ON l.tenant_id = e.tenant_id \
        AND l.endpoint_id = e.id AND l.list IN ('except', 'protected') WHERE e.tenant_id = $1 AND e.fingerprint = $2";
    LISTS = "SELECT list FROM approval_list WHERE tenant_id = $1 AND list IN ('except', 'only', 'protected') AND endpoint_id = $2";
}

/// Adds an endpoint; one that stands there already stays as it is.
pub fn insert(tx: &mut Tx<'_>, entry: &Entry) -> Result<(), Error> {
    let Entry { tenant_id, list, endpoint_id, written, added_at } = entry;
    tx.execute(INSERT, &[tenant_id, list, endpoint_id, written, added_at]).map(drop)
}

/// Empties a list.
pub fn clear(tx: &mut Tx<'_>, tenant: Uuid, list: &str) -> Result<(), Error> {
    tx.execute(CLEAR, &[&tenant, &list]).map(drop)
}

/// What stands on a list, at most `limit` entries.
pub fn all(tx: &mut Tx<'_>, tenant: Uuid, list: &str, limit: i64) -> Result<Vec<Entry>, Error> {
    tx.query(ALL_OF, &[&tenant, &list, &limit], |mut row| {
        Ok(Entry {
            tenant_id: row.take()?,
            list: row.take()?,
            endpoint_id: row.take()?,
            written: row.take()?,
            added_at: row.take()?,
        })
    })
}

/// Whether any list of the tenant has an entry.
pub fn is_any(tx: &mut Tx<'_>, tenant: Uuid) -> Result<bool, Error> {
    Ok(tx.query_opt(IS_ANY, &[&tenant], |_| Ok(()))?.is_some())
}

/// The lists that ask for more, on which any endpoint of this machine stands, as it was enrolled before or is now: a machine
/// that is enrolled anew is no other.
pub fn lists_of_machine(tx: &mut Tx<'_>, tenant: Uuid, fingerprint: &str) -> Result<Vec<String>, Error> {
    tx.query(OF_MACHINE, &[&tenant, &fingerprint], |mut row| row.take())
}

/// The lists on which an endpoint stands.
pub fn lists_of(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid) -> Result<Vec<String>, Error> {
    tx.query(LISTS, &[&tenant, &endpoint], |mut row| row.take())
}
