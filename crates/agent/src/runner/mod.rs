//! Orders: checked, written down, carried out once, answered until the server has the answer.
//!
//! The way of one order: [`receive`](Runner::deliver) checks the envelope and asks the journal whether it is
//! known; what is new is written down and synced; then [`carry`] waits for its turn, checks the window again,
//! runs the handler within its limits, and writes the signed outcome down before it is sent.

mod cancel;
mod carry;
mod job;
mod receive;

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use cancel::Cancel;
pub use job::{Ending, Job, Secrets, chain};
use quell_catalog::{ActionKind, Exclusion};
use quell_wire::frame::{Capability, FromAgent};
use quell_wire::{Outcome, SignedOutcome};
use tokio::sync::{Semaphore, watch};

use crate::clock::Clock;
use crate::identity::Identity;
use crate::journal::Ledger;
use crate::outbox::Outbox;

/// Orders of one action that run at the same time.
const PER_ACTION: usize = 8;
/// Orders that were accepted and have not ended. More are refused: the server keeps far fewer in flight.
const MOST: usize = 4096;

/// A handler's work.
pub type Work<'a> = Pin<Box<dyn Future<Output = Ending> + Send + 'a>>;
/// A handler's look at what an earlier run of the agent left.
pub type Look<'a> = Pin<Box<dyn Future<Output = Option<Ending>> + Send + 'a>>;

/// What can be carried out here.
pub trait Actions: Send + Sync + 'static {
    /// The actions and revisions that are carried out. Asked once.
    fn capabilities(&self) -> Vec<Capability>;

    /// Carries one order out. Called after it was written down; a panic ends the order, not the agent.
    fn carry<'a>(&'a self, job: &'a Job) -> Work<'a>;

    /// Ends an order that an earlier run of the agent began and that does not begin anew, since it was called off or its
    /// time is over: says what is there of it, or takes it back. `None` where that cannot be known.
    fn leave<'a>(&'a self, job: &'a Job) -> Look<'a> {
        let _ = job;
        Box::pin(std::future::ready(None))
    }

    /// The outcome of this order is written down: what was kept for another attempt may go.
    fn over(&self, order_id: &str) {
        let _ = order_id;
    }
}

struct Running {
    order_sha256: Vec<u8>,
    cancel: Cancel,
    secrets: watch::Sender<Option<Secrets>>,
    started_us: Option<i64>,
}

struct Inner {
    identity: Arc<Identity>,
    ledger: Ledger,
    clock: Clock,
    outbox: Outbox,
    actions: Arc<dyn Actions>,
    can: Vec<Capability>,
    running: Mutex<HashMap<String, Running>>,
    /// Deeds that approvers signed for and that are about to be written down.
    deeds: Mutex<HashSet<String>>,
    /// Outcomes that the disk did not take yet.
    unsaved: Mutex<HashMap<String, SignedOutcome>>,
    slots: HashMap<ActionKind, Arc<Semaphore>>,
    network: Arc<Semaphore>,
}

/// Carries orders out. Cheap to clone.
#[derive(Clone)]
pub struct Runner(Arc<Inner>);

impl std::fmt::Debug for Runner {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Runner({} running)", self.0.running().len())
    }
}

impl Runner {
    /// A runner over an open journal.
    pub fn new(
        identity: Arc<Identity>,
        ledger: Ledger,
        clock: Clock,
        outbox: Outbox,
        actions: Arc<dyn Actions>,
    ) -> Self {
        let slots =
            ActionKind::ALL.iter().map(|kind| (*kind, Arc::new(Semaphore::new(PER_ACTION)))).collect();
        Self(Arc::new(Inner {
            identity,
            ledger,
            clock,
            outbox,
            can: actions.capabilities(),
            actions,
            running: Mutex::default(),
            deeds: Mutex::default(),
            unsaved: Mutex::default(),
            slots,
            network: Arc::new(Semaphore::new(1)),
        }))
    }

    /// The actions that are carried out here.
    pub fn capabilities(&self) -> Vec<Capability> {
        self.0.can.clone()
    }

    /// Asks an order to stop; unknown and ended ones are left alone.
    pub fn cancel(&self, order_id: &str) {
        if let Some(running) = self.0.running().get(order_id) {
            running.cancel.ask();
        }
    }

    /// The server holds an outcome.
    pub fn stored(&self, order_id: &str) {
        self.0.ledger.acknowledge(order_id);
    }

    /// Orders that the server has not acknowledged, those included that are about to be written down: they are
    /// carried out, so the server must not take them for lost.
    pub fn held(&self) -> Vec<String> {
        // In this order: what is written down meanwhile is in both, never in neither.
        let mut held: HashSet<String> = self.0.running().keys().cloned().collect();
        held.extend(self.0.ledger.with(|journal| journal.held()));
        held.into_iter().collect()
    }

    /// Orders whose outcome is ready and not acknowledged.
    pub fn unacknowledged(&self) -> Vec<String> {
        let mut ids = self.0.ledger.with(|journal| journal.unacknowledged());
        ids.extend(self.0.unsaved().keys().cloned());
        ids
    }

    /// The signed outcome of an order, where it is kept.
    pub fn outcome(&self, order_id: &str) -> Option<SignedOutcome> {
        if let Some(outcome) = self.0.unsaved().get(order_id) {
            return Some(outcome.clone());
        }
        self.0.ledger.with(|journal| journal.outcome(order_id)).unwrap_or_else(|error| {
            tracing::error!(order.id = order_id, error = chain(&error), "an outcome cannot be read");
            None
        })
    }

    /// How many orders run or wait for their turn.
    pub fn running(&self) -> usize {
        self.0.running().len()
    }
}

impl Inner {
    fn running(&self) -> MutexGuard<'_, HashMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deeds(&self) -> MutexGuard<'_, HashSet<String>> {
        self.deeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsaved(&self) -> MutexGuard<'_, HashMap<String, SignedOutcome>> {
        self.unsaved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusion(&self, kind: ActionKind) -> Option<Arc<Semaphore>> {
        kind.spec().exclusion.map(|group| match group {
            Exclusion::Network => self.network.clone(),
        })
    }

    fn sign(&self, order_id: &str, intent_digest: &[u8], ending: Ending, started_us: i64) -> SignedOutcome {
        let me = self.identity.me();
        let mut ending = ending;
        let mut result =
            ending.result.take().and_then(|value| serde_json::to_vec(&value).ok()).unwrap_or_default();
        if result.len() > quell_wire::limits::RESULT {
            result = Vec::new();
            ending = Ending::failed("outcome_too_large", "what the action answers is larger than 512 KiB");
        }
        let outcome = Outcome {
            tenant_id: me.tenant_id.clone(),
            endpoint_id: me.endpoint_id.clone(),
            order_id: order_id.to_owned(),
            intent_digest: intent_digest.to_vec(),
            status: ending.status.into(),
            reason_code: ending.code,
            message: ending.message,
            result,
            started_at_us: started_us,
            ended_at_us: self.clock.now_us(),
        };
        SignedOutcome::sign(self.identity.key(), &outcome)
    }

    fn say(&self, frame: FromAgent) {
        self.outbox.frame(frame);
    }
}

#[cfg(test)]
mod tests;
