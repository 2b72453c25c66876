//! Trust bundles of tenants, as their offline roots signed them. What their bytes say is the business of who checks them.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// A bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its number; rises, with gaps.
    pub serial: i64,
    /// What was signed.
    pub bundle: Vec<u8>,
    /// The signature.
    pub signature: Vec<u8>,
    /// Of which root.
    pub key_id: String,
    /// Whether it names the next root.
    pub rotates: bool,
    /// Who brought it to the server.
    pub published_by: String,
    /// When.
    pub published_at: Micros,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, serial, bundle, signature, key_id, rotates, published_by, published_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO trust_bundle (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    NEWEST = concat!("SELECT ", columns!(), " FROM trust_bundle WHERE tenant_id = $1 ORDER BY serial DESC LIMIT 1");
    IN_USE = concat!("SELECT ", columns!(), " FROM trust_bundle AS b WHERE rotates = 1 OR serial = \
        (SELECT MAX(serial) FROM trust_bundle AS n WHERE n.tenant_id = b.tenant_id) ORDER BY tenant_id, serial");
    CLEAR = "DELETE FROM trust_bundle WHERE tenant_id = $1";
}

fn read(mut row: Row) -> Result<Bundle, Error> {
    Ok(Bundle {
        tenant_id: row.take()?,
        serial: row.take()?,
        bundle: row.take()?,
        signature: row.take()?,
        key_id: row.take()?,
        rotates: row.take()?,
        published_by: row.take()?,
        published_at: row.take()?,
    })
}

/// Adds a bundle. [`Error::Conflict`] when its serial is taken.
pub fn add(tx: &mut Tx<'_>, row: &Bundle) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &row.tenant_id,
            &row.serial,
            &row.bundle,
            &row.signature,
            &row.key_id,
            &row.rotates,
            &row.published_by,
            &row.published_at,
        ],
    )
    .map(drop)
}

/// A tenant's newest bundle.
pub fn newest(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Option<Bundle>, Error> {
    tx.query_opt(NEWEST, &[&tenant], read)
}

/// Of every tenant the bundles that endpoints may need: those that name another root, and the newest. By tenant, oldest
/// first.
pub fn in_use(tx: &mut Tx<'_>) -> Result<Vec<Bundle>, Error> {
    tx.query(IN_USE, &[], read)
}

/// Forgets a tenant's bundles: its root is lost, and endpoints are to be pinned anew.
pub fn clear(tx: &mut Tx<'_>, tenant: Uuid) -> Result<(), Error> {
    tx.execute(CLEAR, &[&tenant]).map(drop)
}
