//! A body of rules: from the disk, or from the server.

use std::sync::Arc;

use quell_catalog::library::Kind;
use quell_wire::protection::Rules;

use super::store::Store;
use super::{Error, blocking};
use crate::runner::Cancel;
use crate::transfer::{self, Gateway};

/// The body that a document names, `None` where it names none.
pub async fn body(
    gateway: &Gateway,
    store: &Store,
    rules: Option<&Rules>,
) -> Result<Option<Arc<[u8]>>, Error> {
    let Some(rules) = rules.cloned() else { return Ok(None) };
    let (here, named) = (store.clone(), rules.clone());
    // Absent or damaged: fetched again.
    if let Ok(bytes) = blocking(move || here.body(&named)).await? {
        return Ok(Some(bytes));
    }
    let digest: [u8; 32] = rules.sha256.as_slice().try_into().map_err(|_| Error::Size)?;
    let bytes = transfer::library(gateway, Kind::Sigma, &digest, &Cancel::default()).await?;
    let store = store.clone();
    blocking(move || {
        store.put(&rules, &bytes)?;
        Ok(Some(bytes.into()))
    })
    .await?
}
