//! The library: bodies that orders name by their digest, in items with a name and versions that are added, never changed.
//!
//! Bodies stand in a table of their own, so that no list reads one.

use uuid::Uuid;

use crate::{Error, Micros, Page, Paged, Row, Tx, tx::sql};

/// Something of the library. Its content is in its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Whose.
    pub tenant_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// What it is: `script`, `yara`, `query`, `evidence`, `kit`, `indicators` or `sigma`.
    pub kind: String,
    /// Its name, unique among those of its kind.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// It came with the program.
    pub built_in: bool,
    /// When it was made.
    pub created_at: Micros,
    /// When it was put out of use.
    pub archived_at: Option<Micros>,
    /// By whom.
    pub archived_by: Option<String>,
}

/// One version, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Whose.
    pub tenant_id: Uuid,
    /// The item.
    pub item_id: Uuid,
    /// From 1 upward.
    pub version: i64,
    /// The item's kind.
    pub kind: String,
    /// What is known of the body, a JSON object.
    pub facts: String,
    /// Why it was added.
    pub note: String,
    /// Bytes.
    pub size: i64,
    /// SHA-256 of the body; orders name it by this.
    pub sha256: [u8; 32],
    /// Who added it, a name.
    pub created_by: String,
    /// When.
    pub created_at: Micros,
}

/// Which items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of<'a> {
    /// All of a kind.
    Kind(&'a str),
    /// All.
    Tenant,
}

/// The columns of an item, in the order in which they are read.
macro_rules! columns {
    () => {
        "tenant_id, id, kind, name, description, built_in, created_at, archived_at, archived_by"
    };
}

/// The columns of a version, in the order in which they are read.
macro_rules! version_columns {
    () => {
        "tenant_id, item_id, version, kind, facts, note, size, sha256, created_by, created_at"
    };
}

sql! {
    INSERT = "INSERT INTO library_item (tenant_id, id, kind, name, description, built_in, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    GET = concat!("SELECT ", columns!(), " FROM library_item WHERE tenant_id = $1 AND id = $2");
    BY_NAME = concat!("SELECT ", columns!(), " FROM library_item WHERE tenant_id = $1 AND kind = $2 AND name = $3");
    LIST = concat!("SELECT ", columns!(), " FROM library_item WHERE tenant_id = $1 AND id < $2 \
        ORDER BY id DESC LIMIT $3");
    LIST_OF_KIND = concat!("SELECT ", columns!(), " FROM library_item WHERE tenant_id = $1 AND kind = $2 AND id < $3 \
        ORDER BY id DESC LIMIT $4");
    DESCRIBE = "UPDATE library_item SET description = $3 WHERE tenant_id = $1 AND id = $2";
    ARCHIVE = "UPDATE library_item SET archived_at = $3, archived_by = $4 WHERE tenant_id = $1 AND id = $2";
    NEXT = "SELECT COALESCE(MAX(version), 0) + 1 FROM library_version WHERE tenant_id = $1 AND item_id = $2";
    ADD_BODY = "INSERT INTO library_body (tenant_id, sha256, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    ADD_VERSION = concat!("INSERT INTO library_version (", version_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, \
        $7, $8, $9, $10)");
    BY_DIGEST = concat!("SELECT ", version_columns!(), " FROM library_version WHERE tenant_id = $1 AND kind = $2 \
        AND sha256 = $3");
    GET_VERSION = concat!("SELECT ", version_columns!(), " FROM library_version WHERE tenant_id = $1 \
        AND item_id = $2 AND version = $3");
    LATEST = concat!("SELECT ", version_columns!(), " FROM library_version WHERE tenant_id = $1 AND item_id = $2 \
        ORDER BY version DESC LIMIT 1");
    VERSIONS = concat!("SELECT ", version_columns!(), " FROM library_version WHERE tenant_id = $1 AND item_id = $2 \
        ORDER BY version DESC LIMIT 1000");
    BODY = "SELECT body FROM library_body WHERE tenant_id = $1 AND sha256 = $2";
}

fn read(mut row: Row) -> Result<Item, Error> {
    Ok(Item {
        tenant_id: row.take()?,
        id: row.take()?,
        kind: row.take()?,
        name: row.take()?,
        description: row.take()?,
        built_in: row.take()?,
        created_at: row.take()?,
        archived_at: row.take()?,
        archived_by: row.take()?,
    })
}

fn read_version(mut row: Row) -> Result<Version, Error> {
    Ok(Version {
        tenant_id: row.take()?,
        item_id: row.take()?,
        version: row.take()?,
        kind: row.take()?,
        facts: row.take()?,
        note: row.take()?,
        size: row.take()?,
        sha256: row.take()?,
        created_by: row.take()?,
        created_at: row.take()?,
    })
}

const ABSENT: Error = Error::NotFound("item of the library");

/// Adds an item without a version; [`Error::Conflict`] when the name is taken.
pub fn insert(tx: &mut Tx<'_>, item: &Item) -> Result<(), Error> {
    let Item { tenant_id, id, kind, name, description, built_in, created_at, .. } = item;
    tx.execute(INSERT, &[tenant_id, id, kind, name, description, built_in, created_at]).map(drop)
}

/// The item with this id.
pub fn get(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Item>, Error> {
    tx.query_opt(GET, &[&tenant, &id], read)
}

/// The item of this kind and name.
pub fn by_name(tx: &mut Tx<'_>, tenant: Uuid, kind: &str, name: &str) -> Result<Option<Item>, Error> {
    tx.query_opt(BY_NAME, &[&tenant, &kind, &name], read)
}

/// A page of a tenant's items, newest first, also of those out of use.
pub fn list(tx: &mut Tx<'_>, tenant: Uuid, of: Of<'_>, page: Page) -> Result<Paged<Item>, Error> {
    let after = page.after.unwrap_or(Uuid::max());
    let rows = match of {
        Of::Tenant => tx.query(LIST, &[&tenant, &after, &page.fetch()], read)?,
        Of::Kind(kind) => tx.query(LIST_OF_KIND, &[&tenant, &kind, &after, &page.fetch()], read)?,
    };
    Ok(page.cut(rows, |item| item.id))
}

/// Changes what it is for.
pub fn describe(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, description: &str) -> Result<(), Error> {
    tx.change(DESCRIBE, &[&tenant, &id, &description], ABSENT)
}

/// Puts it out of use at this time, by whom; or into use again.
pub fn archive(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, by: Option<(Micros, &str)>) -> Result<(), Error> {
    let (at, who) = (by.map(|(at, _)| at), by.map(|(_, who)| who));
    tx.change(ARCHIVE, &[&tenant, &id, &at, &who], ABSENT)
}

/// Adds a version with its body and answers its number; `version.version` and `version.size` are not looked at.
///
/// [`Error::Conflict`] when the same body is in the tenant's library already, as this kind ([`by_digest`] finds it).
pub fn add_version(tx: &mut Tx<'_>, version: &Version, body: &[u8]) -> Result<i64, Error> {
    let Version { tenant_id, item_id, kind, facts, note, sha256, created_by, created_at, .. } = version;
    let next: i64 = tx.query_opt(NEXT, &[tenant_id, item_id], |mut row| row.take())?.ok_or(ABSENT)?;
    tx.execute(ADD_BODY, &[tenant_id, sha256, &body])?;
    let size = body.len() as i64;
    tx.execute(
        ADD_VERSION,
        &[tenant_id, item_id, &next, kind, facts, note, &size, sha256, created_by, created_at],
    )?;
    Ok(next)
}

/// Adds a body that no item has: what was made of several.
pub fn put_body(tx: &mut Tx<'_>, tenant: Uuid, sha256: &[u8; 32], body: &[u8]) -> Result<(), Error> {
    tx.execute(ADD_BODY, &[&tenant, sha256, &body]).map(drop)
}

/// The version of this kind whose body has this SHA-256.
pub fn by_digest(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    kind: &str,
    sha256: &[u8; 32],
) -> Result<Option<Version>, Error> {
    tx.query_opt(BY_DIGEST, &[&tenant, &kind, sha256], read_version)
}

/// One version of an item.
pub fn version(tx: &mut Tx<'_>, tenant: Uuid, item: Uuid, version: i64) -> Result<Option<Version>, Error> {
    tx.query_opt(GET_VERSION, &[&tenant, &item, &version], read_version)
}

/// The newest version of an item.
pub fn latest(tx: &mut Tx<'_>, tenant: Uuid, item: Uuid) -> Result<Option<Version>, Error> {
    tx.query_opt(LATEST, &[&tenant, &item], read_version)
}

/// The versions of an item, newest first, at most 1000.
pub fn versions(tx: &mut Tx<'_>, tenant: Uuid, item: Uuid) -> Result<Vec<Version>, Error> {
    tx.query(VERSIONS, &[&tenant, &item], read_version)
}

/// The body with this SHA-256.
pub fn body(tx: &mut Tx<'_>, tenant: Uuid, sha256: &[u8; 32]) -> Result<Option<Vec<u8>>, Error> {
    tx.query_opt(BODY, &[&tenant, sha256], |mut row| row.take())
}
