//! The tenant's block list on this endpoint: fetched by signed steps, kept on disk, put in force, and reported.
//!
//! - `store` keeps it and changes it without holding it in memory; `content` says what it means here and now.
//! - Hashes go to the execution guard, addresses to a set of the kernel; names are refused in the answers of name servers
//!   (`refusal`), and where that does not work they are watched, and what they lead to is blocked (`network`).
//! - `fetch` takes what the server has; `quell_wire::blocklist::Follower` alone says what may follow what is held.

mod content;
mod ear;
mod fetch;
mod hashes;
mod names;
mod network;
mod refusal;
mod store;
mod view;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use content::Content;
pub use hashes::hashes;
use network::{Network, Servers};
use quell_catalog::blocklist::Kind;
use quell_catalog::blocklist::report::{Enforced, How};
use quell_wire::blocklist::Held;
use quell_wire::frame::{BlockListState, FromAgent};
use serde_json::{Value, json};
use store::{Kept, Store};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::dial::Dialer;
use crate::guard::ExecGuard;
use crate::identity::Identity;
use crate::link::LinkState;
use crate::outbox::Outbox;
use crate::runner::chain;
use crate::state::{self, StateDir};
use crate::transfer::Gateway;

/// Between looks at what must never be blocked (name servers, routers), at the rules, and at the clock.
const LOOK: Duration = Duration::from_secs(30);
/// The file of hashes that the guard searches.
const HASHES: &str = "hashes";

/// Why the block list is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state directory.
    #[error(transparent)]
    State(#[from] state::Error),
    /// A file of the list.
    #[error("the block list's file cannot be read or written")]
    File(#[source] std::io::Error),
    /// What is kept cannot be understood.
    #[error("the block list on disk is damaged")]
    Damaged,
    /// More objects than an agent takes.
    #[error("the block list has more objects than an endpoint takes")]
    TooLarge,
    /// What came is not what may follow.
    #[error(transparent)]
    Step(#[from] quell_wire::blocklist::Error),
    /// It could not be fetched.
    #[error("the block list could not be fetched: {0}")]
    Fetch(String),
    /// A thread of our own died.
    #[error("the work was interrupted")]
    Interrupted,
}

struct Inner {
    store: Store,
    gateway: Gateway,
    outbox: Outbox,
    clock: Clock,
    guard: ExecGuard,
    link: watch::Receiver<LinkState>,
    kept: Mutex<Kept>,
    newest: Mutex<Option<Held>>,
    bell: Notify,
    /// What is in force: version, since when, and how.
    force: Mutex<Option<Force>>,
}

#[derive(Clone, Debug)]
struct Force {
    held: Held,
    since_us: i64,
    kinds: Vec<Enforced>,
}

/// The block list. Cheap to clone.
#[derive(Clone)]
pub struct BlockList(Arc<Inner>);

impl std::fmt::Debug for BlockList {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "BlockList(version {})", self.held().version)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BlockList {
    /// Reads what is kept; nothing is in force yet.
    pub fn open(
        state: &StateDir,
        (identity, dialer): (Arc<Identity>, Arc<Dialer>),
        outbox: Outbox,
        clock: Clock,
        guard: ExecGuard,
        link: watch::Receiver<LinkState>,
    ) -> Result<Self, Error> {
        let store = Store::open(state)?;
        let kept = store.load()?;
        Ok(Self(Arc::new(Inner {
            store,
            gateway: Gateway { dialer, identity },
            outbox,
            clock,
            guard,
            link,
            kept: Mutex::new(kept),
            newest: Mutex::default(),
            bell: Notify::new(),
            force: Mutex::default(),
        })))
    }

    /// The version that is held.
    pub fn held(&self) -> Held {
        lock(&self.0.kept).held()
    }

    /// The server has this version; it also takes word of ours in this session.
    pub fn announced(&self, newest: Held) {
        *lock(&self.0.newest) = Some(newest);
        self.tell();
        self.0.bell.notify_one();
    }

    /// For status.
    pub fn describe(&self) -> Value {
        let force = lock(&self.0.force).clone();
        json!({
            "held": self.held().version,
            "enforced": force.as_ref().map(|force| force.held.version),
            "since_us": force.as_ref().map(|force| force.since_us),
            "kinds": force.map(|force| force.kinds),
        })
    }

    /// Puts what is kept in force, then follows the server until the agent stops.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut network = Network::new(self.0.outbox.clone(), self.0.clock.clone());
        let mut backoff = Backoff::default();
        let mut next_expiry_us =
            if lock(&self.0.kept).version > 0 { self.enforce(&mut network).await } else { None };
        quell_host::heap::give_back();
        let mut retry: Option<Instant> = None;
        loop {
            let look = self.is_needed().then(|| Instant::now() + LOOK);
            let expiry = next_expiry_us.map(|at| {
                let wait = u64::try_from(at.saturating_sub(self.0.clock.now_us())).unwrap_or(0);
                Instant::now() + Duration::from_micros(wait) + Duration::from_millis(10)
            });
            let wake = [look, expiry, retry].into_iter().flatten().min();
            tokio::select! {
                () = self.0.bell.notified() => {}
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let is_due = next_expiry_us.is_some_and(|at| at <= self.0.clock.now_us());
            let is_retry = retry.is_none_or(|at| at <= Instant::now());
            let mut is_new = false;
            if self.is_behind() && is_retry {
                match self.fetch().await {
                    Ok(changed) => {
                        is_new = changed;
                        retry = None;
                        backoff.reset();
                    }
                    Err(error) => {
                        let wait = backoff.after_failure();
                        tracing::warn!(
                            error = chain(&error),
                            wait_ms = wait.as_millis(),
                            "no newer block list"
                        );
                        retry = Some(Instant::now() + wait);
                    }
                }
            }
            if is_new || is_due {
                next_expiry_us = self.enforce(&mut network).await;
                // A long list took much more while it was read than it takes from now on.
                quell_host::heap::give_back();
            } else if self.is_needed() && self.look(&mut network).await {
                self.tell();
            }
        }
    }

    fn is_behind(&self) -> bool {
        let newest = lock(&self.0.newest).clone();
        let kept = lock(&self.0.kept);
        newest.is_some_and(|newest| {
            newest.version > kept.version || newest.version == kept.version && newest.digest != kept.digest
        })
    }

    /// Whether there is something in force to be looked after.
    fn is_needed(&self) -> bool {
        lock(&self.0.force).as_ref().is_some_and(|force| force.kinds.iter().any(|kind| kind.objects > 0))
    }

    /// Takes what leads to the newest version; whether something came.
    async fn fetch(&self) -> Result<bool, Error> {
        let before = lock(&self.0.kept).clone();
        let store = self.0.store.clone();
        let is_whole = {
            let kept = before.clone();
            blocking(move || store.is_whole(&kept)).await?
        };
        let after = match fetch::fetch(&self.0.gateway, &self.0.store, before.clone(), is_whole).await {
            // Another history, or a step that is missing: the whole list says it all.
            Err(Error::Step(
                quell_wire::blocklist::Error::OtherHistory | quell_wire::blocklist::Error::NotNext,
            )) if is_whole => fetch::fetch(&self.0.gateway, &self.0.store, before.clone(), false).await,
            done => done,
        };
        let after = after.inspect_err(|error| {
            if let Error::Step(step) = error {
                let detail =
                    json!({ "code": step.code(), "message": step.to_string(), "held": before.version });
                self.0.outbox.event("blocklist_refused", &detail);
            }
        })?;
        let changed = after != before;
        *lock(&self.0.kept) = after;
        Ok(changed)
    }

    /// Puts what is kept in force. Answers when the next object's time is over.
    async fn enforce(&self, network: &mut Network) -> Option<i64> {
        let began = Instant::now();
        let kept = lock(&self.0.kept).clone();
        let (store, now_us) = (self.0.store.clone(), self.0.clock.now_us());
        let read = {
            let kept = kept.clone();
            blocking(move || Content::read(&store, &kept, now_us)).await
        };
        let mut content = match read {
            Ok(Ok(content)) => content,
            Ok(Err(error)) | Err(error) => {
                self.0
                    .outbox
                    .event("blocklist_broken", &json!({ "problem": chain(&error), "version": kept.version }));
                return None;
            }
        };
        let hashes = self.hashes(&mut content, kept.version).await;
        let counts = content.counts;
        let next = content.next_expiry_us;
        let (store, servers) = (self.0.store.clone(), self.servers());
        let [addresses, names] = network.enforce(content, &store, &kept, servers).await;
        let kinds = Kind::ALL.iter().zip(counts).map(|(kind, objects)| {
            let (how, why) = match kind {
                Kind::Sha1 | Kind::Sha256 => hashes.clone(),
                Kind::Ip => addresses.clone(),
                Kind::Domain => names.clone(),
                Kind::Url | Kind::Sender => (
                    How::NotHere,
                    Some("kept for services that see such things; an endpoint does not".to_owned()),
                ),
            };
            Enforced { kind: *kind, how, objects, why: why.map(|why| why.chars().take(200).collect()) }
        });
        let force = Force { held: kept.held(), since_us: self.0.clock.now_us(), kinds: kinds.collect() };
        tracing::info!(
            version = kept.version,
            ?counts,
            took_ms = began.elapsed().as_millis(),
            "block list in force"
        );
        *lock(&self.0.force) = Some(force);
        self.tell();
        next
    }

    /// Looks whether rules and protected addresses are as they were; whether something had to be done.
    async fn look(&self, network: &mut Network) -> bool {
        network.look(self.servers()).await
    }

    async fn hashes(&self, content: &mut Content, version: u64) -> (How, Option<String>) {
        let file: Option<PathBuf> = content.has_hashes().then(|| self.0.store.path(HASHES));
        let (lists, guard) = (std::mem::take(&mut content.hashes), self.0.guard.clone());
        if file.is_none() && !guard.has_list() {
            return (How::Enforced, None);
        }
        let done = blocking(move || -> Result<(), String> {
            guard.is_able().map_err(|error| chain(&error))?;
            if let Some(file) = &file {
                quell_host::guard::write_list(file, lists).map_err(|error| chain(&error))?;
            }
            guard.list(file, version).map(drop).map_err(|error| chain(&error))
        });
        match done.await {
            Ok(Ok(())) => (How::Enforced, None),
            Ok(Err(why)) => (How::NotHere, Some(why)),
            Err(error) => (How::NotHere, Some(chain(&error))),
        }
    }

    /// Where the server is: never blocked.
    fn servers(&self) -> Servers {
        let peer = self.0.link.borrow().peer;
        let targets = self.0.gateway.identity.targets();
        let known = self.0.gateway.dialer.known(&targets);
        let name = |target: &String| Some(target.rsplit_once(':')?.0.to_ascii_lowercase());
        Servers {
            addresses: peer.into_iter().chain(known).map(|address| address.ip()).collect(),
            names: targets.iter().filter_map(name).collect(),
        }
    }

    /// Tells the server what is in force, where it asked for that.
    fn tell(&self) {
        if lock(&self.0.newest).is_none() {
            return;
        }
        let Some(force) = lock(&self.0.force).clone() else { return };
        let kinds = serde_json::to_vec(&force.kinds).unwrap_or_default();
        let state = BlockListState { held: Some(force.held), applied_at_us: force.since_us, kinds };
        self.0.outbox.frame(FromAgent::BlockListState(state));
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Interrupted)
}
