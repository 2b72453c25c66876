//! Keys of people and programs that use the API. Only a digest of the key is kept.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// The part of the key that finds this row; not secret, unique on the server.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// Name of its role.
    pub role: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it ends by itself.
    pub expires_at: Option<Micros>,
    /// When it was last seen, to the minute or so: written in batches.
    pub last_used_at: Option<Micros>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
    /// The person whose program it is: it may never do more than they may.
    pub owner: Option<Uuid>,
    /// What of its role it may use, JSON; everything where absent.
    pub scope: Option<String>,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, name, prefix, hash, role, created_at, expires_at, last_used_at, revoked_at, owner, scope"
    };
}

sql! {
    INSERT = "INSERT INTO api_key (tenant_id, id, name, prefix, hash, role, created_at, expires_at, owner, scope) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    BY_PREFIX = concat!("SELECT ", columns!(), " FROM api_key WHERE prefix = $1");
    GET = concat!("SELECT ", columns!(), " FROM api_key WHERE tenant_id = $1 AND id = $2");
    GIVE = "UPDATE api_key SET owner = $2 WHERE tenant_id = $1 AND owner IS NULL";
    WITH_ROLE = "SELECT COUNT(*) FROM api_key WHERE tenant_id = $1 AND role = $2 AND revoked_at IS NULL";
    HASHES = "SELECT hash FROM api_key WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1) LIMIT $2";
    LIST = concat!("SELECT ", columns!(), " FROM api_key WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    TOUCH = "UPDATE api_key SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2";
    REVOKE = "UPDATE api_key SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL";
}

fn read(mut row: Row) -> Result<ApiKey, Error> {
    Ok(ApiKey {
        tenant_id: row.take()?,
        id: row.take()?,
        name: row.take()?,
        prefix: row.take()?,
        hash: row.take()?,
        role: row.take()?,
        created_at: row.take()?,
        expires_at: row.take()?,
        last_used_at: row.take()?,
        revoked_at: row.take()?,
        owner: row.take()?,
        scope: row.take()?,
    })
}

/// Adds a key; [`Error::Conflict`] when the prefix is taken.
pub fn insert(tx: &mut Tx<'_>, key: &ApiKey) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[
            &key.tenant_id,
            &key.id,
            &key.name,
            &key.prefix,
            &key.hash,
            &key.role,
            &key.created_at,
            &key.expires_at,
            &key.owner,
            &key.scope,
        ],
    )
    .map(drop)
}

/// The key with this prefix, of whatever tenant. The caller compares the hash and looks at expiry and revocation.
pub fn by_prefix(tx: &mut Tx<'_>, prefix: &str) -> Result<Option<ApiKey>, Error> {
    tx.query_opt(BY_PREFIX, &[&prefix], read)
}

/// The key with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<ApiKey>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// Whether a key that was not revoked has this role.
pub fn is_in_use(tx: &mut Tx<'_>, tenant: Uuid, role: &str) -> Result<bool, Error> {
    Ok(tx.query_opt(WITH_ROLE, &[&tenant, &role], |mut row| row.take::<i64>())?.unwrap_or(0) > 0)
}

/// Gives the keys that are nobody's to a person.
pub fn give(tx: &mut Tx<'_>, tenant: Uuid, owner: Uuid) -> Result<u64, Error> {
    tx.execute(GIVE, &[&tenant, &owner])
}

/// Digests of the keys that may be used now, of all tenants, at most `limit`.
pub fn hashes(tx: &mut Tx<'_>, now: Micros, limit: i64) -> Result<Vec<[u8; 32]>, Error> {
    tx.query(HASHES, &[&now, &limit], |mut row| row.take())
}

/// A page of a tenant's keys, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, page: Page) -> Result<Paged<ApiKey>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(LIST, &[&tenant, &after, &page.fetch()], read)?;
    Ok(page.cut(rows, |key| key.id))
}

/// Notes that the key was used.
pub fn touch(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, now: Micros) -> Result<(), Error> {
    tx.change(TOUCH, &[&tenant, &id, &now], Error::NotFound("API key"))
}

/// Ends the key.
pub fn revoke(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, now: Micros) -> Result<(), Error> {
    tx.change(REVOKE, &[&tenant, &id, &now], Error::NotFound("API key in use"))
}
