//! Block lists: changed in the database, signed by the signer, handed to agents, and known to be enforced.
//!
//! - [`change`]: what follows from one more word that something is listed, or one less; the only writer of the list.
//! - [`batch`]: many changes, a version for each batch of them.
//! - [`publish`]: has versions signed, in their order, and rings the agents.
//! - [`snapshot`]: the whole list for whoever is too far behind.
//! - [`service`]: carries `blocklist.add` and `blocklist.remove` out.
//! - [`expire`]: takes off what counts no more.
//! - [`protect`]: what is never listed, beside what the catalogue refuses.
//! - [`coverage`]: who enforces what.
//!
//! Invariants: a version is in the database before it is signed, and signed before any agent hears of it; an agent's word
//! costs no row until it is written in a batch with others'.

mod batch;
pub(crate) mod change;
pub(crate) mod coverage;
pub(crate) mod expire;
pub(crate) mod protect;
mod publish;
pub(crate) mod service;
mod snapshot;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quell_engine::Engine;
use quell_store::{Micros, Store, blocklist::Report};
use quell_wire::blocklist::Held;
use uuid::Uuid;

use crate::gateway::Sessions;
use snapshot::Snapshot;

pub(crate) use publish::Error;

/// The lists of all tenants, as this node hands them out.
pub struct BlockLists {
    engine: Engine,
    store: Store,
    sessions: Arc<Sessions>,
    /// The newest signed version of each tenant.
    newest: Mutex<HashMap<Uuid, Held>>,
    snapshots: Mutex<HashMap<Uuid, Arc<Snapshot>>>,
    /// What agents said and is not written yet.
    reports: Mutex<HashMap<(Uuid, Uuid), Report>>,
    /// Versions are signed in their order: by one at a time.
    signing: tokio::sync::Mutex<()>,
    /// A snapshot is made once for all that ask.
    building: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for BlockLists {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("BlockLists")
    }
}

impl BlockLists {
    /// Nothing known yet: see [`BlockLists::look`].
    pub(crate) fn new(engine: Engine, store: Store, sessions: Arc<Sessions>) -> Self {
        Self {
            engine,
            store,
            sessions,
            newest: Mutex::default(),
            snapshots: Mutex::default(),
            reports: Mutex::default(),
            signing: tokio::sync::Mutex::default(),
            building: tokio::sync::Mutex::default(),
        }
    }

    /// The newest version that agents may have; version 0 where there is none.
    pub(crate) fn newest(&self, tenant: Uuid) -> Held {
        lock(&self.newest).get(&tenant).cloned().unwrap_or_default()
    }

    /// Notes what an agent says; written in a batch with others' ([`BlockLists::flush`]).
    pub(crate) fn note(&self, tenant: Uuid, report: Report) {
        lock(&self.reports).insert((tenant, report.endpoint_id), report);
    }

    /// Writes what agents said.
    pub(crate) async fn flush(&self) -> Result<(), quell_store::Error> {
        const BATCH: usize = 1000;
        let reports: Vec<_> =
            lock(&self.reports).drain().map(|((tenant, _), report)| (tenant, report)).collect();
        for batch in reports.chunks(BATCH) {
            let batch = batch.to_vec();
            let written = self.store.write(move |tx| {
                batch
                    .iter()
                    .try_for_each(|(tenant, report)| quell_store::blocklist::report(tx, *tenant, report))
            });
            written.await?;
        }
        Ok(())
    }

    /// What is said and not written yet of an endpoint.
    fn unwritten(&self, tenant: Uuid) -> HashMap<Uuid, (i64, Micros, String)> {
        let reports = lock(&self.reports);
        let of_tenant = reports.iter().filter(|((of, _), _)| *of == tenant);
        of_tenant
            .map(|((_, id), report)| (*id, (report.version, report.reported_at, report.kinds.clone())))
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
