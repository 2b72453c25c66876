//! What every handler holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quell_store::{ArtifactStore, Error, Micros, Store, api_key};
use uuid::Uuid;

use crate::auth::Guesses;
use crate::metrics::Metrics;

/// Shared by all requests.
pub(crate) type App = Arc<Inner>;

/// The parts.
pub(crate) struct Inner {
    /// The database.
    pub store: Store,
    /// The bytes of artifacts.
    pub artifacts: ArtifactStore,
    /// Failed tries with keys.
    pub guesses: Guesses,
    /// What is counted.
    pub metrics: Metrics,
    /// When keys were last used, until it is written.
    pub used: Mutex<HashMap<(Uuid, Uuid), Micros>>,
}

impl Inner {
    /// The time.
    pub fn now(&self) -> Micros {
        0
    }

    /// Notes that a key was used.
    pub fn touched(&self, tenant: Uuid, key: Uuid, now: Micros) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert((tenant, key), now);
    }

    /// Writes when keys were last used, in one transaction.
    pub async fn flush_used(&self) -> Result<(), Error> {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used.is_empty() {
            return Ok(());
        }
        self.store
            .write(move |tx| {
                used.iter().try_for_each(|((tenant, key), at)| api_key::touch(tx, *tenant, *key, *at))
            })
            .await
    }
}
