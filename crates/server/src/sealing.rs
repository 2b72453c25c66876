//! Sealing the audit trail: the key in its file, and a round twice a second.

use std::path::Path;

use quell_audit::Sealer;
use quell_store::{Micros, Store, server_key};
use quell_wire::SigningKey;
use uuid::Uuid;

use crate::pki::{PrivateFileError, read_or_create_private};

/// What the key is for, among the server's keys.
pub(crate) const PURPOSE: &str = "audit";

/// Why there is no key to seal with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its file.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// What stands there.
    #[error("the key that seals the audit trail")]
    Key(#[from] quell_wire::keys::KeyError),
    /// Its public half could not be written down.
    #[error("the key that seals the audit trail could not be written down")]
    Store(#[from] quell_store::Error),
}

/// Opens the key, or makes it, and tells the database its public half.
pub(crate) async fn open(store: &Store, path: &Path, now: Micros) -> Result<Sealer, Error> {
    let der = read_or_create_private(path, || SigningKey::generate().map_err(Error::from))?;
    let sealer = Sealer::new(SigningKey::from_pkcs8(&der)?);
    let public = sealer.public();
    store
        .write(move |tx| {
            let is_known = server_key::list(tx, PURPOSE)?.iter().any(|key| key.public == public);
            // An earlier key stays believed: the trail that it sealed stays true.
            if is_known { Ok(()) } else { server_key::rotate(tx, Uuid::now_v7(), PURPOSE, &public, now) }
        })
        .await
        .map_err(|error: quell_store::Error| Error::Store(error))?;
    Ok(sealer)
}
