//! Roles that a tenant made itself.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the tenant.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it grants, JSON.
    pub grants: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last changed.
    pub updated_at: Micros,
}

macro_rules! columns {
    () => {
        "tenant_id, id, name, description, grants, created_at, updated_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO role (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7)");
    GET = concat!("SELECT ", columns!(), " FROM role WHERE tenant_id = $1 AND id = $2");
    BY_NAME = concat!("SELECT ", columns!(), " FROM role WHERE tenant_id = $1 AND name = $2");
    LIST = concat!("SELECT ", columns!(), " FROM role WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    UPDATE = "UPDATE role SET name = $3, description = $4, grants = $5, updated_at = $6 WHERE tenant_id = $1 AND id = $2";
    DELETE = "DELETE FROM role WHERE tenant_id = $1 AND id = $2";
}

fn read(mut row: Row) -> Result<Role, Error> {
    Ok(Role {
        tenant_id: row.take()?,
        id: row.take()?,
        name: row.take()?,
        description: row.take()?,
        grants: row.take()?,
        created_at: row.take()?,
        updated_at: row.take()?,
    })
}

const ABSENT: Error = Error::NotFound("role");

/// Adds a role; [`Error::Conflict`] when the name is taken.
pub fn insert(tx: &mut Tx<'_>, role: &Role) -> Result<(), Error> {
    let Role { tenant_id, id, name, description, grants, created_at, updated_at } = role;
    tx.execute(INSERT, &[tenant_id, id, name, description, grants, created_at, updated_at]).map(drop)
}

/// The role with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Role>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// The role with this name.
pub fn by_name(tx: &mut Tx<'_>, tenant: Uuid, name: &str) -> Result<Option<Role>, Error> {
    tx.query_opt(BY_NAME, &[&tenant, &name], read)
}

/// A page of the tenant's own roles, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, page: Page) -> Result<Paged<Role>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(LIST, &[&tenant, &after, &page.fetch()], read)?;
    Ok(page.cut(rows, |role| role.id))
}

/// Changes a role; [`Error::Conflict`] when the name is taken.
pub fn update(tx: &mut Tx<'_>, role: &Role) -> Result<(), Error> {
    let Role { tenant_id, id, name, description, grants, updated_at, .. } = role;
    tx.change(UPDATE, &[tenant_id, id, name, description, grants, updated_at], ABSENT)
}

/// Removes a role that nobody has.
pub fn delete(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<(), Error> {
    tx.change(DELETE, &[&tenant, &id], ABSENT)
}
