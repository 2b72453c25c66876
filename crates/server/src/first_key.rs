//! The first start: the tenant, and the one key that everything else is made with.
//!
//! The key is in its file before it is in the database, and taken from there when the process died between the two:
//! a server without a key that somebody holds could never be used.

use std::path::{Path, PathBuf};

use quell_access::Role;
use quell_store::{Micros, Store, api_key, audit, setting, tenant};
use serde_json::json;
use uuid::Uuid;

use crate::auth::key;
use crate::pki::{PrivateFileError, read_or_create_private};

/// The name of the tenant of a new server.
pub(crate) const TENANT: &str = "default";
/// The setting that marks it: its name may change.
pub(crate) const FIRST: &str = "server.first";
/// The name of the first key.
const NAME: &str = "first administrator key";

/// The first start failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key's file.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The key's file holds something else.
    #[error("{0} does not hold an API key; remove it, and the server makes a new first key")]
    Foreign(PathBuf),
    /// No randomness.
    #[error("the system gave no randomness")]
    Random,
    /// The database.
    #[error("the first key could not be stored")]
    Store(#[from] quell_store::Error),
}

/// The tenant, and the key if this start made it.
pub(crate) async fn ensure(
    store: &Store,
    file: &Path,
    now: Micros,
) -> Result<(Uuid, Option<FirstKey>), Error> {
    let (tenant, has_keys) = store.write(move |tx| tenant_and_keys(tx, now)).await?;
    if has_keys {
        return Ok((tenant, None));
    }
    let bytes = read_or_create_private(file, || {
        key::generate().map(|key| format!("{}\n", key.text).into_bytes()).ok_or(Error::Random)
    })?;
    let text = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default().to_owned();
    let presented = key::Presented::parse(&text);
    if !presented.is_key() {
        return Err(Error::Foreign(file.to_owned()));
    }
    let row = api_key::ApiKey {
        tenant_id: tenant,
        id: Uuid::now_v7(),
        name: NAME.to_owned(),
        prefix: presented.prefix().to_owned(),
        hash: *presented.hash(),
        role: Role::Administrator.as_str().to_owned(),
        created_at: now,
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        owner: None,
        scope: None,
    };
    store.write(move |tx| insert(tx, &row, now)).await?;
    Ok((tenant, Some(FirstKey { text, file: file.to_owned() })))
}

/// The key that this start made.
#[derive(Clone)]
pub struct FirstKey {
    /// The key. To be shown once.
    pub text: String,
    /// The file that holds it, mode 0600.
    pub file: PathBuf,
}

impl std::fmt::Debug for FirstKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "FirstKey(***, {})", self.file.display())
    }
}

fn tenant_and_keys(tx: &mut quell_store::Tx<'_>, now: Micros) -> Result<(Uuid, bool), quell_store::Error> {
    let marked = tenant::by_setting(tx, FIRST)?;
    let is_marked = marked.is_some();
    let found = match marked {
        Some(found) => Some(found),
        None => tenant::by_name(tx, TENANT)?,
    };
    let Some(found) = found else {
        let row = tenant::Tenant { id: Uuid::now_v7(), name: TENANT.to_owned(), created_at: now };
        tenant::insert(tx, &row)?;
        setting::set(tx, row.id, FIRST, "true", now)?;
        return Ok((row.id, false));
    };
    if !is_marked {
        setting::set(tx, found.id, FIRST, "true", now)?;
    }
    let page = quell_store::Page { after: None, limit: 1 };
    let keys = api_key::list(tx, found.id, page)?;
    Ok((found.id, !keys.rows.is_empty()))
}

fn insert(
    tx: &mut quell_store::Tx<'_>,
    row: &api_key::ApiKey,
    now: Micros,
) -> Result<(), quell_store::Error> {
    api_key::insert(tx, row)?;
    let record = audit::Record {
        tenant_id: row.tenant_id,
        id: Uuid::now_v7(),
        at: now,
        actor_kind: "system".to_owned(),
        actor_id: "server".to_owned(),
        actor_name: "Quell".to_owned(),
        verb: "api_key.create".to_owned(),
        object_kind: "api_key".to_owned(),
        object_id: row.id.to_string(),
        outcome: "ok".to_owned(),
        detail: json!({ "name": row.name, "role": row.role, "prefix": row.prefix }).to_string(),
        request_id: None,
        remote: None,
    };
    audit::append(tx, &record)
}
