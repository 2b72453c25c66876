//! The library of scripts: versions are added, never changed; a version is named by its digest.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// A script of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// Its name, unique in the tenant.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it was made.
    pub created_at: Micros,
}

/// A version of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Whose.
    pub tenant_id: Uuid,
    /// Of which script.
    pub script_id: Uuid,
    /// From 1 upward.
    pub version: i64,
    /// What runs it: `bash`, `sh`, `powershell`, `python`.
    pub interpreter: String,
    /// The script itself; empty in lists.
    pub body: Vec<u8>,
    /// Bytes of the body.
    pub size: i64,
    /// SHA-256 of the body, unique in the tenant.
    pub sha256: [u8; 32],
    /// Who added it.
    pub created_by: String,
    /// When.
    pub created_at: Micros,
}

/// The columns of the table, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, name, description, created_at"
    };
}

/// The columns of a version, in the order in which they are read.
macro_rules! version_columns {
    () => {
        "tenant_id, script_id, version, interpreter, body, size, sha256, created_by, created_at"
    };
}

sql! {
    INSERT = concat!("INSERT INTO script (", columns!(), ") VALUES ($1, $2, $3, $4, $5)");
    GET = concat!("SELECT ", columns!(), " FROM script WHERE tenant_id = $1 AND id = $2");
    BY_NAME = concat!("SELECT ", columns!(), " FROM script WHERE tenant_id = $1 AND name = $2");
    LIST = concat!("SELECT ", columns!(), " FROM script WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    NEXT = "SELECT COALESCE(MAX(version), 0) + 1 FROM script_version WHERE tenant_id = $1 AND script_id = $2";
    ADD_VERSION = concat!("INSERT INTO script_version (", version_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, \
        $7, $8, $9)");
    BY_DIGEST = concat!("SELECT ", version_columns!(), " FROM script_version WHERE tenant_id = $1 AND sha256 = $2");
    GET_VERSION = concat!("SELECT ", version_columns!(), " FROM script_version WHERE tenant_id = $1 \
        AND script_id = $2 AND version = $3");
    VERSIONS = "SELECT tenant_id, script_id, version, interpreter, size, sha256, created_by, created_at \
        FROM script_version WHERE tenant_id = $1 AND script_id = $2 ORDER BY version DESC LIMIT 1000";
}

fn read(mut row: Row) -> Result<Script, Error> {
    Ok(Script {
        tenant_id: row.take()?,
        id: row.take()?,
        name: row.take()?,
        description: row.take()?,
        created_at: row.take()?,
    })
}

fn read_version(mut row: Row) -> Result<Version, Error> {
    Ok(Version {
        tenant_id: row.take()?,
        script_id: row.take()?,
        version: row.take()?,
        interpreter: row.take()?,
        body: row.take()?,
        size: row.take()?,
        sha256: row.take()?,
        created_by: row.take()?,
        created_at: row.take()?,
    })
}

fn read_listed(mut row: Row) -> Result<Version, Error> {
    Ok(Version {
        tenant_id: row.take()?,
        script_id: row.take()?,
        version: row.take()?,
        interpreter: row.take()?,
        body: Vec::new(),
        size: row.take()?,
        sha256: row.take()?,
        created_by: row.take()?,
        created_at: row.take()?,
    })
}

/// Adds a script without a version; [`Error::Conflict`] when the name is taken.
pub fn insert(tx: &mut Tx<'_>, script: &Script) -> Result<(), Error> {
    tx.execute(
        INSERT,
        &[&script.tenant_id, &script.id, &script.name, &script.description, &script.created_at],
    )
    .map(drop)
}

/// The script with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Script>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// The script with this name.
pub fn by_name(tx: &mut Tx<'_>, tenant: Uuid, name: &str) -> Result<Option<Script>, Error> {
    tx.query_opt(BY_NAME, &[&tenant, &name], read)
}

/// A page of a tenant's scripts, newest first.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, page: Page) -> Result<Paged<Script>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = tx.query(LIST, &[&tenant, &after, &page.fetch()], read)?;
    Ok(page.cut(rows, |script| script.id))
}

/// Adds a version and answers its number; `version.version` is not looked at.
///
/// [`Error::Conflict`] when the same body is in the tenant's library already ([`by_digest`] finds it).
pub fn add_version(tx: &mut Tx<'_>, version: &Version) -> Result<i64, Error> {
    let next: i64 = tx
        .query_opt(NEXT, &[&version.tenant_id, &version.script_id], |mut row| row.take())?
        .ok_or(Error::NotFound("script"))?;
    tx.execute(
        ADD_VERSION,
        &[
            &version.tenant_id,
            &version.script_id,
            &next,
            &version.interpreter,
            &version.body,
            &(version.body.len() as i64),
            &version.sha256,
            &version.created_by,
            &version.created_at,
        ],
    )?;
    Ok(next)
}

/// The version whose body has this SHA-256.
pub fn by_digest(tx: &mut Tx<'_>, tenant: Uuid, sha256: &[u8; 32]) -> Result<Option<Version>, Error> {
    tx.query_opt(BY_DIGEST, &[&tenant, sha256], read_version)
}

/// One version of a script.
pub fn version(tx: &mut Tx<'_>, tenant: Uuid, script: Uuid, version: i64) -> Result<Option<Version>, Error> {
    tx.query_opt(GET_VERSION, &[&tenant, &script, &version], read_version)
}

/// The versions of a script, newest first, without their bodies.
pub fn versions(tx: &mut Tx<'_>, tenant: Uuid, script: Uuid) -> Result<Vec<Version>, Error> {
    tx.query(VERSIONS, &[&tenant, &script], read_listed)
}
