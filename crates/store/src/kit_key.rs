//! Keys whose investigation kits a tenant's library takes. Public keys alone; lower-case hex, as parameters name them.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitKey {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// Who signs with it, as people call them; unique in the tenant.
    pub name: String,
    /// The Ed25519 public key, lower-case hex; unique in the tenant.
    pub public: String,
    /// Who registered it, by name.
    pub created_by: String,
    /// When.
    pub created_at: Micros,
}

sql! {
    INSERT = "INSERT INTO kit_key (tenant_id, id, name, public, created_by, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    LIST = "SELECT tenant_id, id, name, public, created_by, created_at FROM kit_key \
        WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    BY_PUBLIC = "SELECT tenant_id, id, name, public, created_by, created_at FROM kit_key \
        WHERE tenant_id = $1 AND public = $2";
    GET = "SELECT tenant_id, id, name, public, created_by, created_at FROM kit_key \
        WHERE tenant_id = $1 AND id = $2";
    COUNT = "SELECT COUNT(*) FROM kit_key WHERE tenant_id = $1";
    DELETE = "DELETE FROM kit_key WHERE tenant_id = $1 AND id = $2";
}

fn read(mut row: Row) -> Result<KitKey, Error> {
    Ok(KitKey {
        tenant_id: row.take()?,
        id: row.take()?,
        name: row.take()?,
        public: row.take()?,
        created_by: row.take()?,
        created_at: row.take()?,
    })
}

/// Adds one; [`Error::Conflict`] when the name or the key is there already.
pub fn insert(tx: &mut Tx<'_>, row: &KitKey) -> Result<(), Error> {
    let KitKey { tenant_id, id, name, public, created_by, created_at } = row;
    tx.execute(INSERT, &[tenant_id, id, name, public, created_by, created_at]).map(drop)
}

/// A page of a tenant's keys, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, page: Page) -> Result<Paged<KitKey>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(LIST, &[&tenant, &after, &page.fetch()], read)?;
    Ok(page.cut(rows, |row| row.id))
}

/// The registration of this public key.
pub fn by_public(tx: &mut Tx<'_>, tenant: Uuid, public: &str) -> Result<Option<KitKey>, Error> {
    tx.query_opt(BY_PUBLIC, &[&tenant, &public], read)
}

/// The key with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<KitKey>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// How many a tenant has.
pub fn count(tx: &mut Tx<'_>, tenant: Uuid) -> Result<i64, Error> {
    Ok(tx.query_opt(COUNT, &[&tenant], |mut row| row.take())?.unwrap_or(0))
}

/// Takes one away; [`Error::NotFound`] where it is not there.
pub fn delete(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<(), Error> {
    tx.change(DELETE, &[&tenant, &id], Error::NotFound("kit key"))
}
