//! The network isolation of this endpoint: what may go wrong around a cut, and how the endpoint stays within
//! reach of its server, or free.
//!
//! Order of things: state is written and synced *before* the first rule stands; after the cut a new connection
//! to the server must answer, or the rules go again. While the isolation lasts, rules that change are put
//! back. It survives a restart and a reboot, and ends by order, by the one-time code typed at the endpoint, or
//! by its own timer when the server stays away.

mod canary;
mod change;
mod guard;
mod kept;
mod recover;
mod release;
mod selftest;

use std::sync::{Arc, Mutex, PoisonError};

pub use change::{Failure, Lifted};
pub use guard::Guard;
pub use kept::{Kept, Phase, mark};
use quell_host::isolate::{self as host, Applied, Ruleset};
use quell_wire::limits;
pub use release::Guess;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::dial::Dialer;
use crate::identity::Identity;
use crate::link::LinkState;
use crate::outbox::Outbox;
use crate::random;
use crate::state::{self, StateDir};

/// Why the isolation could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system did not let us.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// The state directory failed.
    #[error(transparent)]
    State(state::Error),
    /// A file of the state cannot be understood.
    #[error("{0} in the state directory cannot be read")]
    Damaged(&'static str),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] random::NoRandomness),
    /// A thread of our own died.
    #[error("the work was interrupted")]
    Interrupted,
}

/// What is behind the lock: one change at a time.
#[derive(Debug, Default)]
struct Live {
    kept: Option<Kept>,
    rules: Option<Ruleset>,
}

struct Inner {
    state: StateDir,
    identity: Arc<Identity>,
    dialer: Arc<Dialer>,
    outbox: Outbox,
    clock: Clock,
    link: watch::Receiver<LinkState>,
    live: tokio::sync::Mutex<Live>,
    /// For those who only look: facts, status.
    view: Mutex<Option<Kept>>,
    /// Rung when the isolation begins, changes or ends.
    changed: Notify,
}

/// The isolation of this endpoint. Cheap to clone.
#[derive(Clone)]
pub struct Isolation(Arc<Inner>);

impl std::fmt::Debug for Isolation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Isolation(isolated: {})", self.is_isolated())
    }
}

impl Isolation {
    /// The controller; nothing is changed yet.
    pub fn new(
        state: StateDir,
        identity: Arc<Identity>,
        dialer: Arc<Dialer>,
        outbox: Outbox,
        clock: Clock,
        link: watch::Receiver<LinkState>,
    ) -> Self {
        Self(Arc::new(Inner {
            state,
            identity,
            dialer,
            outbox,
            clock,
            link,
            live: tokio::sync::Mutex::default(),
            view: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// Whether this endpoint is isolated.
    pub fn is_isolated(&self) -> bool {
        self.view().is_some()
    }

    /// The isolation for facts and status; `None` where there is none.
    pub fn describe(&self) -> Option<Value> {
        let kept = self.view()?;
        Some(json!({
            "state": match kept.phase { Phase::Testing => "testing", Phase::Confirmed => "isolated" },
            "order_id": kept.order_id,
            "since_us": kept.since_us,
            "servers": kept.plan.servers,
            "allow": kept.params.allow,
            "release_after_channel_loss_minutes": kept.params.release_after_channel_loss_minutes,
            "local_release": kept.release.is_some(),
        }))
    }

    fn view(&self) -> Option<Kept> {
        self.0.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what is kept: on disk, in memory, in the view.
    fn set(&self, live: &mut Live, kept: Option<Kept>) -> Result<(), Error> {
        kept::save(&self.0.state, kept.as_ref())?;
        self.0.view.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&kept);
        live.kept = kept;
        self.0.changed.notify_waiters();
        Ok(())
    }

    /// Installs the rules of a plan; sockets that it does not cover are ended.
    async fn install(&self, live: &mut Live, plan: &host::Plan) -> Result<Applied, Error> {
        let plan = plan.clone();
        let applied = blocking(move || host::apply(&plan)).await??;
        live.rules = Some(applied.ruleset.clone());
        Ok(applied)
    }

    /// Removes exactly our rules, and says whether none is left.
    async fn uninstall(&self, live: &mut Live) -> Result<bool, Error> {
        let left = blocking(|| {
            host::remove()?;
            host::present()
        })
        .await??;
        live.rules = None;
        Ok(!left)
    }

    /// Where the server can be reached right now, without asking anybody.
    fn servers(&self) -> Vec<std::net::SocketAddr> {
        let mut servers: Vec<_> = self.0.link.borrow().peer.into_iter().collect();
        for address in self.0.dialer.known(&self.0.identity.targets()) {
            if !servers.contains(&address) {
                servers.push(address);
            }
        }
        servers.truncate(host::MAX_SERVERS.min(limits::ADDRESSES));
        servers
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Interrupted)
}
