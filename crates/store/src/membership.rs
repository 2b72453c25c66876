//! What people are in a tenant.

use uuid::Uuid;

use crate::{Error, Micros, Row, Tx, tx::sql};

/// One role of one person in one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Where.
    pub tenant_id: Uuid,
    /// Who.
    pub person_id: Uuid,
    /// The name of a role that comes with Quell, or the id of one of the tenant's own.
    pub role: String,
    /// [`MANUAL`], or the id of the identity provider whose groups gave it.
    pub source: String,
    /// Since when.
    pub granted_at: Micros,
    /// Who gave it, by name.
    pub granted_by: String,
}

/// Given by a person, not by an identity provider.
pub const MANUAL: &str = "manual";

/// A role of a person, with what the tenant's own roles grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Name or id.
    pub role: String,
    /// The stored grant (JSON) where it is one of the tenant's own.
    pub grants: Option<String>,
}

/// Somebody who has a role in a tenant and may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub person_id: Uuid,
    /// The human.
    pub human: Uuid,
    /// The name.
    pub name: String,
    /// Where mail reaches them.
    pub email: String,
    /// The role.
    pub held: Held,
}

macro_rules! columns {
    () => {
        "tenant_id, person_id, role, source, granted_at, granted_by"
    };
}

sql! {
    INSERT = concat!("INSERT INTO membership (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING");
    DELETE = "DELETE FROM membership WHERE tenant_id = $1 AND person_id = $2 AND role = $3 AND source = $4";
    DELETE_ALL = "DELETE FROM membership WHERE tenant_id = $1 AND person_id = $2";
    OF_PERSON = concat!("SELECT ", columns!(), " FROM membership WHERE tenant_id = $1 AND person_id = $2 ORDER BY role, source");
    HELD = "SELECT DISTINCT m.role, r.grants FROM membership m \
        LEFT JOIN role r ON r.tenant_id = m.tenant_id AND r.id = m.role WHERE m.tenant_id = $1 AND m.person_id = $2";
    TENANTS = "SELECT DISTINCT t.id, t.name, t.created_at FROM membership m JOIN tenant t ON t.id = m.tenant_id \
        WHERE m.person_id = $1 ORDER BY t.name LIMIT 1000";
    MEMBERS = "SELECT DISTINCT p.id, p.human, p.name, p.email, m.role, r.grants FROM membership m \
        JOIN person p ON p.id = m.person_id LEFT JOIN role r ON r.tenant_id = m.tenant_id AND r.id = m.role \
        WHERE m.tenant_id = $1 AND p.state = 'active' ORDER BY p.id LIMIT $2";
    HOLDERS = "SELECT COUNT(DISTINCT m.person_id) FROM membership m JOIN person p ON p.id = m.person_id \
        WHERE m.tenant_id = $1 AND m.role = $2 AND p.state = 'active'";
    WITH_ROLE = "SELECT COUNT(*) FROM membership WHERE tenant_id = $1 AND role = $2";
}

fn read(mut row: Row) -> Result<Membership, Error> {
    Ok(Membership {
        tenant_id: row.take()?,
        person_id: row.take()?,
        role: row.take()?,
        source: row.take()?,
        granted_at: row.take()?,
        granted_by: row.take()?,
    })
}

/// Gives a role. `false` when they have it from there already.
pub fn insert(tx: &mut Tx<'_>, row: &Membership) -> Result<bool, Error> {
    let Membership { tenant_id, person_id, role, source, granted_at, granted_by } = row;
    tx.execute(INSERT, &[tenant_id, person_id, role, source, granted_at, granted_by]).map(|rows| rows == 1)
}

/// Takes a role. `false` when they did not have it from there.
pub fn delete(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid, role: &str, source: &str) -> Result<bool, Error> {
    tx.execute(DELETE, &[&tenant, &person, &role, &source]).map(|rows| rows == 1)
}

/// Takes all roles, and answers how many.
pub fn delete_all(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid) -> Result<u64, Error> {
    tx.execute(DELETE_ALL, &[&tenant, &person])
}

/// The roles of a person in a tenant, with where they come from.
pub fn of_person(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid) -> Result<Vec<Membership>, Error> {
    tx.query(OF_PERSON, &[&tenant, &person], read)
}

/// The roles of a person in a tenant, with what they grant.
pub fn held(tx: &mut Tx<'_>, tenant: Uuid, person: Uuid) -> Result<Vec<Held>, Error> {
    tx.query(HELD, &[&tenant, &person], |mut row| Ok(Held { role: row.take()?, grants: row.take()? }))
}

/// The tenants that a person is a member of, by name.
pub fn tenants(tx: &mut Tx<'_>, person: Uuid) -> Result<Vec<crate::tenant::Tenant>, Error> {
    tx.query(TENANTS, &[&person], |mut row| {
        Ok(crate::tenant::Tenant { id: row.take()?, name: row.take()?, created_at: row.take()? })
    })
}

/// Who may sign in and has a role in the tenant, a line a role, at most `limit` lines.
pub fn members(tx: &mut Tx<'_>, tenant: Uuid, limit: i64) -> Result<Vec<Member>, Error> {
    tx.query(MEMBERS, &[&tenant, &limit], |mut row| {
        Ok(Member {
            person_id: row.take()?,
            human: row.take()?,
            name: row.take()?,
            email: row.take()?,
            held: Held { role: row.take()?, grants: row.take()? },
        })
    })
}

/// How many active people have this role in the tenant.
pub fn holders(tx: &mut Tx<'_>, tenant: Uuid, role: &str) -> Result<i64, Error> {
    Ok(tx.query_opt(HOLDERS, &[&tenant, &role], |mut row| row.take())?.unwrap_or(0))
}

/// Whether anybody has this role in the tenant.
pub fn is_in_use(tx: &mut Tx<'_>, tenant: Uuid, role: &str) -> Result<bool, Error> {
    Ok(tx.query_opt(WITH_ROLE, &[&tenant, &role], |mut row| row.take::<i64>())?.unwrap_or(0) > 0)
}
