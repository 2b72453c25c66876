//! The identity providers of a tenant, at which its people sign in.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A provider.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the tenant; part of the address at which signing in begins.
    pub name: String,
    /// The issuer's URL, exactly as its tokens say it.
    pub issuer: String,
    /// What we are called there.
    pub client_id: String,
    /// The client's secret, sealed; `None` for a public client.
    pub client_secret: Option<Vec<u8>>,
    /// Scopes, claims, groups and who may come, JSON.
    pub settings: String,
    /// `active` or `disabled`.
    pub state: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it was last changed.
    pub updated_at: Micros,
}

impl std::fmt::Debug for IdentityProvider {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("IdentityProvider")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

macro_rules! columns {
    () => {
        "tenant_id, id, name, issuer, client_id, client_secret, settings, state, created_at, updated_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO identity_provider (", columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
    GET = concat!("SELECT ", columns!(), " FROM identity_provider WHERE tenant_id = $1 AND id = $2");
    BY_NAME = concat!("SELECT ", columns!(), " FROM identity_provider WHERE tenant_id = $1 AND name = $2");
    LIST = concat!("SELECT ", columns!(), " FROM identity_provider WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    ACTIVE = concat!("SELECT ", columns!(), " FROM identity_provider WHERE state = 'active' ORDER BY id LIMIT $1");
    UPDATE = "UPDATE identity_provider SET name = $3, issuer = $4, client_id = $5, client_secret = $6, settings = $7, \
        state = $8, updated_at = $9 WHERE tenant_id = $1 AND id = $2";
    TAKE_ROLES = "DELETE FROM membership WHERE tenant_id = $1 AND source = $2";
    FORGET = "DELETE FROM identity WHERE tenant_id = $1 AND provider_id = $2";
    DELETE = "DELETE FROM identity_provider WHERE tenant_id = $1 AND id = $2";
}

fn read(mut row: Row) -> Result<IdentityProvider, Error> {
    Ok(IdentityProvider {
        tenant_id: row.take()?,
        id: row.take()?,
        name: row.take()?,
        issuer: row.take()?,
        client_id: row.take()?,
        client_secret: row.take()?,
        settings: row.take()?,
        state: row.take()?,
        created_at: row.take()?,
        updated_at: row.take()?,
    })
}

const ABSENT: Error = Error::NotFound("identity provider");

/// Adds a provider; [`Error::Conflict`] when the name is taken.
pub fn insert(tx: &mut Tx<'_>, row: &IdentityProvider) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &row.tenant_id,
            &row.id,
            &row.name,
            &row.issuer,
            &row.client_id,
            &row.client_secret,
            &row.settings,
            &row.state,
            &row.created_at,
            &row.updated_at,
        ],
    )
    .map(drop)
}

/// The provider with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<IdentityProvider>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// The provider with this name.
pub fn by_name(tx: &mut Tx<'_>, tenant: Uuid, name: &str) -> Result<Option<IdentityProvider>, Error> {
    tx.query_opt(BY_NAME, &[&tenant, &name], read)
}

/// A page of a tenant's providers, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, page: Page) -> Result<Paged<IdentityProvider>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(LIST, &[&tenant, &after, &page.fetch()], read)?;
    Ok(page.cut(rows, |row| row.id))
}

/// Those of all tenants through which somebody can sign in, oldest first.
pub fn active(tx: &mut Tx<'_>, most: i64) -> Result<Vec<IdentityProvider>, Error> {
    tx.query(ACTIVE, &[&most], read)
}

/// Changes a provider; [`Error::Conflict`] when the name is taken.
pub fn update(tx: &mut Tx<'_>, row: &IdentityProvider) -> Result<(), Error> {
    tx.change(
        UPDATE,
        &[
            &row.tenant_id,
            &row.id,
            &row.name,
            &row.issuer,
            &row.client_id,
            &row.client_secret,
            &row.settings,
            &row.state,
            &row.updated_at,
        ],
        ABSENT,
    )
}

/// Takes every role that the provider's groups gave, and answers how many.
pub fn take_roles(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<u64, Error> {
    tx.execute(TAKE_ROLES, &[&tenant, &id.to_string()])
}

/// Forgets who its subjects are here. A changed issuer is another provider: its subjects are other people.
pub fn forget(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<u64, Error> {
    tx.execute(FORGET, &[&tenant, &id])
}

/// Removes a provider whose roles and subjects are gone.
pub fn delete(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<(), Error> {
    tx.change(DELETE, &[&tenant, &id], ABSENT)
}
