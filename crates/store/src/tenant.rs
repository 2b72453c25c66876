//! Tenants: the organisations whose things are acted on.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique on this server.
    pub name: String,
    /// When it was made.
    pub created_at: Micros,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "id, name, created_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO tenant (", columns!(), ") VALUES ($1, $2, $3)");
    GET = concat!("SELECT ", columns!(), " FROM tenant WHERE id = $1");
    BY_NAME = concat!("SELECT ", columns!(), " FROM tenant WHERE name = $1");
    RENAME = "UPDATE tenant SET name = $2 WHERE id = $1";
    FIRST = concat!("SELECT ", columns!(), " FROM tenant WHERE id IN (SELECT tenant_id FROM setting WHERE name = $1) ORDER BY created_at LIMIT 1");
    LIST = concat!("SELECT ", columns!(), " FROM tenant ORDER BY name LIMIT 1000");
}

fn read(mut row: Row) -> Result<Tenant, Error> {
    Ok(Tenant { id: row.take()?, name: row.take()?, created_at: row.take()? })
}

/// Adds a tenant; [`Error::Conflict`] when the name is taken.
pub fn insert(tx: &mut Tx<'_>, tenant: &Tenant) -> Result<(), Error> {
    tx.execute(INSERT, &[&tenant.id, &tenant.name, &tenant.created_at]).map(drop)
}

/// The tenant with this id.
pub fn get(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<Tenant>, Error> {
    tx.query_opt(GET, &[&id], read)
}

/// The tenant with this name.
pub fn by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<Tenant>, Error> {
    tx.query_opt(BY_NAME, &[&name], read)
}

/// Gives a tenant another name; [`Error::Conflict`] when it is taken.
pub fn rename(tx: &mut Tx<'_>, id: Uuid, name: &str) -> Result<(), Error> {
    tx.change(RENAME, &[&id, &name], Error::NotFound("tenant"))
}

/// The one tenant that has this setting.
pub fn by_setting(tx: &mut Tx<'_>, name: &str) -> Result<Option<Tenant>, Error> {
    tx.query_opt(FIRST, &[&name], read)
}

/// All tenants by name, at most 1000.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<Tenant>, Error> {
    tx.query(LIST, &[], read)
}
