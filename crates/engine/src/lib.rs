//! Durable tasks: plan, approval, dispatch, outcome, verification, undo. Knows neither HTTP nor providers.
//!
//! [`Engine`] is a handle over the store. Every operation decides inside one write transaction, from what it
//! reads there, and writes its audit record in that same transaction; only after the commit does anybody hear
//! of it ([`Bell`], [`Changes`]). What lives in memory (bells, progress, subscribers) may be lost at any time:
//! [`Engine::tick`] and [`Engine::resume`] find the rest in the database.
//!
//! One file per operation: [`submit`], [`preview`], [`lease`], [`outcome`], [`cancel`], [`undo`], [`approval`], [`tick`],
//! [`revoke`], [`response`]. What may follow what is one table, [`state`].

pub mod access;
pub mod actor;
pub mod approval;
pub mod bell;
pub mod cancel;
pub mod change;
pub mod clock;
mod error;
mod hold;
mod ids;
mod keys;
pub mod lease;
mod listed;
mod order;
pub mod outcome;
mod plan;
pub mod preview;
pub mod progress;
pub mod reference;
mod refusal;
pub mod response;
pub mod revoke;
pub mod secret;
pub mod service;
mod settle;
pub mod signer;
pub mod state;
pub mod submit;
mod targets;
pub mod tick;
pub mod undo;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use quell_store::{Store, Tx};

pub use actor::Actor;
pub use approval::{Ballot, Decided};
pub use bell::{Bell, Listener};
pub use change::{Change, ChangeStream, Changes, Heard};
pub use clock::{Clock, Entropy, SystemClock, SystemEntropy};
pub use error::{Error, Problem};
pub use lease::{Resumed, Work};
pub use outcome::Receipt;
pub use preview::Preview;
pub use progress::Progress;
pub use response::{
    OnFailure, PlanBallot, PlanRequest, PlanState, PlanSubmitted, PlanUndoing, Repeat, StepRequest,
};
pub use secret::Secrets;
pub use signer::{FileSigner, RemoteSigner, Signer};
pub use state::{CommandState, TaskState};
pub use submit::{Origin, Submitted, Targets, TaskRequest};
pub use tick::Ticked;
pub use undo::Undoing;

/// Bounds of the engine; the defaults suit a server on two cores.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Orders that one endpoint holds at a time.
    pub in_flight: usize,
    /// Targets of one task.
    pub targets: usize,
    /// Above this many targets, and for every selector, the requester states the number.
    pub confirm_above: usize,
    /// How long a task waits for its endpoints where the request says nothing.
    pub expires_in: Duration,
    /// How long after the last moment at which an outcome is possible the engine still waits for it: the
    /// endpoint may be cut off, or its upload slow.
    pub outcome_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 16,
            targets: 20_000,
            confirm_above: 25,
            expires_in: Duration::from_hours(24),
            outcome_grace: Duration::from_mins(15),
        }
    }
}

/// What an engine is made of.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Who signs orders.
    pub signer: Arc<dyn Signer>,
    /// From what the secrets of tasks are derived.
    pub secrets: Secrets,
    /// The fingerprint of the machine that this runs on, as its own agent would say it.
    pub own_machine: Option<String>,
    /// Bounds.
    pub limits: Limits,
}

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) secrets: Secrets,
    pub(crate) own_machine: Option<String>,
    pub(crate) limits: Limits,
    pub(crate) ids: ids::Ids,
    pub(crate) bell: Bell,
    pub(crate) changes: Changes,
    pub(crate) progress: progress::Book,
    pub(crate) keys: keys::Keys,
    pub(crate) leases: lease::Leases,
    #[cfg(test)]
    pub(crate) commit_hook: std::sync::OnceLock<Arc<dyn Fn(tests::crash::Moment) + Send + Sync>>,
}

/// How often a closure is run again when the database asks for it.
const TRIES: u32 = 6;

impl Engine {
    /// Puts an engine together. It starts nothing by itself: somebody calls [`Engine::tick`] every second or so.
    pub fn new(parts: Parts) -> Self {
        let Parts { store, clock, entropy, signer, secrets, own_machine, limits } = parts;
        let inner = Inner {
            store,
            ids: ids::Ids::new(Arc::clone(&clock), entropy),
            clock,
            signer,
            secrets,
            own_machine,
            limits,
            bell: Bell::default(),
            changes: Changes::default(),
            progress: progress::Book::default(),
            keys: keys::Keys::default(),
            leases: lease::Leases::default(),
            #[cfg(test)]
            commit_hook: std::sync::OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The database, for those who only read.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Who signs orders, and which keys agents are to trust.
    pub fn signer(&self) -> &Arc<dyn Signer> {
        &self.inner.signer
    }

    /// The doorbells of endpoints.
    pub fn bell(&self) -> &Bell {
        &self.inner.bell
    }

    /// News of tasks, commands and endpoints.
    pub fn changes(&self) -> &Changes {
        &self.inner.changes
    }

    /// Runs a closure in a write transaction, again when the database was busy. Nothing is kept of a run
    /// that failed, so a closure decides from the database alone.
    pub(crate) async fn write<T, F>(&self, closure: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, Error> + Send + Sync + 'static,
    {
        let closure = Arc::new(closure);
        let mut tries = 1;
        loop {
            match self.write_once(&closure).await {
                Err(error) if error.retry() && tries < TRIES => {
                    tokio::time::sleep(Duration::from_millis(2 << tries)).await;
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    #[cfg(not(test))]
    async fn write_once<T, F>(&self, closure: &Arc<F>) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, Error> + Send + Sync + 'static,
    {
        let closure = Arc::clone(closure);
        self.inner.store.write(move |tx| closure(tx)).await
    }

    /// In tests somebody may want to die right before or right after a commit.
    #[cfg(test)]
    async fn write_once<T, F>(&self, closure: &Arc<F>) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T, Error> + Send + Sync + 'static,
    {
        let (closure, hook) = (Arc::clone(closure), self.inner.commit_hook.get().cloned());
        let inside = hook.clone();
        let result = self
            .inner
            .store
            .write(move |tx| {
                let result = closure(tx);
                if let Some(hook) = inside.as_ref().filter(|_| result.is_ok()) {
                    hook(tests::crash::Moment::BeforeCommit);
                }
                result
            })
            .await;
        if let Some(hook) = hook.filter(|_| result.is_ok()) {
            hook(tests::crash::Moment::AfterCommit);
        }
        result
    }

    /// Runs a closure in a read transaction.
    pub(crate) async fn read<T, F>(&self, closure: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    {
        self.inner.store.read(closure).await
    }
}
