//! What a tenant wants recorded, detected and prevented: set by people, signed by the signer, handed to agents as one document,
//! and known to be in force.
//!
//! - [`settings`]: what people set; [`rules`]: bodies of rules, compiled as agents compile them; [`make`]: both together.
//! - [`version`]: the only writer of versions; [`publish`]: has them signed and rings the agents.
//! - [`coverage`]: who holds what, and how recorders do.
//!
//! Invariants: a version is in the database before it is signed, and signed before any agent hears of it; agents get the bodies
//! that the document they are given names, and no others; an agent's word costs no row until it is written in a batch with
//! others', and none where it says what it said.

pub(crate) mod coverage;
pub(crate) mod make;
pub(crate) mod pack;
mod publish;
pub(crate) mod rules;
pub(crate) mod settings;
pub(crate) mod version;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quell_engine::{Clock, Engine};
use quell_store::{Micros, Store, protection as rows};
use quell_wire::digest::sha256;
use quell_wire::protection::SignedProtection;
use uuid::Uuid;

use crate::gateway::Sessions;

/// The newest document that a tenant's agents may have.
#[derive(Debug)]
pub(crate) struct Newest {
    pub version: i64,
    pub signed: SignedProtection,
    /// Digests of its bodies.
    bodies: [Option<[u8; 32]>; 2],
}

/// The documents of all tenants, as this node hands them out.
pub struct Protections {
    engine: Engine,
    store: Store,
    clock: Arc<dyn Clock>,
    sessions: Arc<Sessions>,
    newest: Mutex<HashMap<Uuid, Arc<Newest>>>,
    /// Why a tenant's newest version is not handed out.
    problems: Mutex<HashMap<Uuid, Unpublished>>,
    reports: Mutex<Reports>,
    /// Versions are signed in their order: by one at a time.
    signing: tokio::sync::Mutex<()>,
}

/// Why a version is not handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unpublished {
    version: i64,
    why: String,
    /// When it is tried again.
    again_at: Micros,
}

/// What agents said.
#[derive(Debug, Default)]
struct Reports {
    /// And is not written yet.
    unwritten: HashMap<(Uuid, Uuid), rows::Recorder>,
    /// Version and digest of what each said last.
    known: HashMap<(Uuid, Uuid), (i64, [u8; 32])>,
}

impl std::fmt::Debug for Protections {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Protections")
    }
}

impl Protections {
    /// Nothing known yet: see [`Protections::look`].
    pub(crate) fn new(engine: Engine, store: Store, clock: Arc<dyn Clock>, sessions: Arc<Sessions>) -> Self {
        Self {
            engine,
            store,
            clock,
            sessions,
            newest: Mutex::default(),
            problems: Mutex::default(),
            reports: Mutex::default(),
            signing: tokio::sync::Mutex::default(),
        }
    }

    /// The newest document that agents may have.
    pub(crate) fn newest(&self, tenant: Uuid) -> Option<Arc<Newest>> {
        lock(&self.newest).get(&tenant).cloned()
    }

    /// Whether the document that a tenant's agents are given names this body.
    pub(crate) fn names(&self, tenant: Uuid, sha256: &[u8; 32]) -> bool {
        self.newest(tenant).is_some_and(|newest| newest.bodies.iter().flatten().any(|body| body == sha256))
    }

    /// Why the newest version is not handed out, where that is so.
    pub(crate) fn problem(&self, tenant: Uuid) -> Option<String> {
        lock(&self.problems).get(&tenant).map(|problem| problem.why.clone())
    }

    /// Notes what an agent says; written in a batch with others' ([`Protections::flush`]).
    pub(crate) fn note(&self, tenant: Uuid, report: rows::Recorder) {
        let (key, says) =
            ((tenant, report.endpoint_id), (report.protection, sha256(&[report.detail.as_bytes()])));
        let mut reports = lock(&self.reports);
        if reports.known.insert(key, says) != Some(says) {
            reports.unwritten.insert(key, report);
        }
    }

    /// Writes what agents said.
    pub(crate) async fn flush(&self) -> Result<(), quell_store::Error> {
        const BATCH: usize = 1000;
        let unwritten: Vec<_> =
            lock(&self.reports).unwritten.drain().map(|((tenant, _), report)| (tenant, report)).collect();
        for batch in unwritten.chunks(BATCH) {
            let batch = batch.to_vec();
            let written = self.store.write(move |tx| {
                batch.iter().try_for_each(|(tenant, report)| rows::report(tx, *tenant, report))
            });
            written.await?;
        }
        // Whoever comes back says it again, and is believed again.
        lock(&self.reports).known.retain(|(_, endpoint), _| self.sessions.is_connected(*endpoint));
        Ok(())
    }

    /// What an agent said and is not written yet.
    pub(crate) fn unwritten(&self, tenant: Uuid, endpoint: Uuid) -> Option<rows::Recorder> {
        lock(&self.reports).unwritten.get(&(tenant, endpoint)).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
