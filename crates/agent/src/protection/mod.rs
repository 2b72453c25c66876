//! What the tenant wants recorded, detected and prevented here: a signed document from the session, and the bodies of rules that it
//! names, fetched by their digests.
//!
//! - `store` keeps both over restarts; `fetch` brings bodies; `state` tells the server what is in force.
//! - A document counts once all of its bodies are here. Until then the one before stays in force.
//!
//! Whoever applies it watches [`Protection::current`], and says by [`Protection::tell`] what came of it.

mod fetch;
mod state;
mod store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quell_catalog::protection::Recorder;
use quell_wire::protection::{self as wire, SignedProtection};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use self::state::Told;
use self::store::{Kept, Store};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::dial::Dialer;
use crate::identity::Identity;
use crate::outbox::Outbox;
use crate::runner::chain;
use crate::state::{self as directory, StateDir};
use crate::transfer::Gateway;

/// Bodies of one document are tried again no later than this: the server may hand them out by now.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why there is no protection from disk, or none that is newer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state directory.
    #[error(transparent)]
    State(#[from] directory::Error),
    /// A file of a body.
    #[error("a body of rules cannot be {what}")]
    File {
        /// Read or written.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The document.
    #[error(transparent)]
    Document(#[from] wire::Error),
    /// A body could not be fetched.
    #[error(transparent)]
    Fetch(#[from] crate::transfer::Error),
    /// A body is not what the document says.
    #[error("a body of rules has not the size that the document says")]
    Size,
    /// A thread of our own died.
    #[error("the work was interrupted")]
    Interrupted,
}

/// What is in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Current {
    /// The document; version 0 where there was none yet.
    pub document: wire::Protection,
    /// Behaviour rules, to be cut by [`wire::documents`].
    pub behaviour: Option<Arc<[u8]>>,
    /// YARA rules, one text.
    pub yara: Option<Arc<[u8]>>,
}

struct Inner {
    store: Store,
    gateway: Gateway,
    outbox: Outbox,
    clock: Clock,
    /// The newest document that was taken.
    held: Mutex<Option<Kept>>,
    current: watch::Sender<Arc<Current>>,
    /// Why the newest is not in force.
    problem: Mutex<Option<String>>,
    told: Mutex<Told>,
    /// Rung for a document.
    newer: Notify,
    /// Rung for a word to the server.
    bell: Notify,
}

/// The protection. Cheap to clone.
#[derive(Clone)]
pub struct Protection(Arc<Inner>);

impl std::fmt::Debug for Protection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Protection(version {})", self.held())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Protection {
    /// Reads what is kept: it is in force at once. What is damaged is begun anew, and told.
    pub fn open(
        state: &StateDir,
        (identity, dialer): (Arc<Identity>, Arc<Dialer>),
        outbox: Outbox,
        clock: Clock,
    ) -> Result<Self, Error> {
        let store = Store::open(state)?;
        let (trust, me) = (identity.trust(), identity.me().tenant_id.clone());
        let damage = |error: &Error| {
            outbox.event("protection_damaged", &json!({ "problem": chain(error), "begun_anew": true }));
        };
        let current = store.current(&trust, &me).unwrap_or_else(|error| {
            damage(&error);
            None
        });
        let held = store.held(&trust, &me).unwrap_or_else(|error| {
            damage(&error);
            None
        });
        let (kept, current) = current.map_or_else(Default::default, |(kept, current)| (Some(kept), current));
        let newest = [held, kept].into_iter().flatten().max_by_key(|kept| kept.document.version);
        Ok(Self(Arc::new(Inner {
            store,
            gateway: Gateway { dialer, identity },
            outbox,
            clock,
            held: Mutex::new(newest),
            current: watch::Sender::new(Arc::new(current)),
            problem: Mutex::default(),
            told: Mutex::default(),
            newer: Notify::new(),
            bell: Notify::new(),
        })))
    }

    /// The version that is held, its bodies perhaps still on their way; 0 where none is, or where the key that signed it is
    /// trusted no more: then it stays in force, and is asked for again.
    pub fn held(&self) -> u64 {
        lock(&self.0.held).as_ref().filter(|kept| kept.is_trusted).map_or(0, |kept| kept.document.version)
    }

    /// What is in force, now and from now on.
    pub fn current(&self) -> watch::Receiver<Arc<Current>> {
        self.0.current.subscribe()
    }

    /// Takes a document of the server's, where it may follow what is held.
    pub fn take(&self, signed: &SignedProtection) {
        let identity = &self.0.gateway.identity;
        let (trust, me) = (identity.trust(), &identity.me().tenant_id);
        let mut held = lock(&self.0.held);
        // What is in force counts although its key is trusted no more: nobody takes it back to an older one.
        let version = held.as_ref().map_or(0, |kept| kept.document.version);
        match signed.open(&trust, me, version) {
            Ok(document) => {
                let is_new = held.as_ref().is_none_or(|kept| kept.signed != *signed);
                if is_new {
                    *held =
                        Some(Kept { document, signed: signed.clone(), is_trusted: true, is_saved: false });
                    drop(held);
                    self.0.newer.notify_one();
                }
            }
            Err(error) => {
                drop(held);
                let detail = json!({ "code": error.code(), "message": error.to_string(), "held": version });
                self.0.outbox.event("protection_refused", &detail);
            }
        }
    }

    /// A session stands, and its gateway takes word of recorders or does not.
    pub fn greeted(&self, takes_state: bool) {
        lock(&self.0.told).greeted(takes_state);
        self.0.bell.notify_one();
    }

    /// How the recorder does, and which rules it took. Told to the server when it is news, at most once in a minute.
    pub fn tell(&self, recorder: Recorder) {
        if lock(&self.0.told).set(recorder) {
            self.0.bell.notify_one();
        }
    }

    /// For status.
    pub fn describe(&self) -> Value {
        let current = self.0.current.borrow().clone();
        json!({
            "held": lock(&self.0.held).as_ref().map_or(0, |kept| kept.document.version),
            "in_force": current.document.version,
            "record": current.document.record,
            "behaviour_bytes": current.behaviour.as_ref().map(|body| body.len()),
            "yara_bytes": current.yara.as_ref().map(|body| body.len()),
            "problem": *lock(&self.0.problem),
            "recorder": lock(&self.0.told).latest(),
        })
    }

    /// Fetches what is missing, keeps what is there, and tells the server, until the agent stops.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut backoff = Backoff::default();
        let mut retry: Option<Instant> = None;
        loop {
            if self.is_behind() && retry.is_none_or(|at| at <= Instant::now()) {
                let caught_up = tokio::select! {
                    caught_up = self.catch_up() => caught_up,
                    // A newer document may name bodies that are there.
                    () = self.0.newer.notified() => {
                        retry = None;
                        continue;
                    }
                    _ = stop.wait_for(|stop| *stop) => return,
                };
                retry = match caught_up {
                    Ok(()) => {
                        backoff.reset();
                        *lock(&self.0.problem) = None;
                        None
                    }
                    Err(error) => {
                        let why = chain(&error);
                        let wait = backoff.after_failure().min(PATIENCE);
                        tracing::warn!(error = why, wait_ms = wait.as_millis(), "no newer protection");
                        *lock(&self.0.problem) = Some(why);
                        Some(Instant::now() + wait)
                    }
                };
            }
            let say = self.say();
            let wake = [retry, say].into_iter().flatten().min();
            tokio::select! {
                () = self.0.newer.notified() => retry = None,
                () = self.0.bell.notified() => {}
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    fn is_behind(&self) -> bool {
        lock(&self.0.held).as_ref().is_some_and(|kept| !kept.is_saved)
    }

    /// Puts the newest document in force.
    async fn catch_up(&self) -> Result<(), Error> {
        let Some(kept) = lock(&self.0.held).clone() else { return Ok(()) };
        let store = self.0.store.clone();
        let signed = kept.signed.clone();
        blocking(move || store.hold(&signed)).await??;
        let Kept { document, .. } = &kept;
        let behaviour = fetch::body(&self.0.gateway, &self.0.store, document.behaviour.as_ref()).await?;
        let yara = fetch::body(&self.0.gateway, &self.0.store, document.yara.as_ref()).await?;
        let (store, now) = (self.0.store.clone(), kept.clone());
        blocking(move || store.keep(&now)).await??;
        let current = Current { document: document.clone(), behaviour, yara };
        let version = document.version;
        let is_new = self.0.current.send_if_modified(|held| {
            let is_new = **held != current;
            if is_new {
                *held = Arc::new(current);
            }
            is_new
        });
        if is_new {
            tracing::info!(version, "protection in force");
        }
        let mut held = lock(&self.0.held);
        // One that came meanwhile is still to be looked at.
        if let Some(held) = held.as_mut().filter(|held| held.signed == kept.signed) {
            held.is_saved = true;
        }
        Ok(())
    }

    /// Tells the server what is in force, where that is news; when to look again.
    fn say(&self) -> Option<Instant> {
        let version = self.0.current.borrow().document.version;
        let mut told = lock(&self.0.told);
        match told.next(version, self.0.clock.now_us()) {
            state::Next::Say(state) => {
                self.0.outbox.frame(quell_wire::frame::FromAgent::RecorderState(state));
                None
            }
            state::Next::At(when) => Some(when),
            state::Next::Nothing => None,
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Interrupted)
}
