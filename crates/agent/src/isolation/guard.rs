//! While the isolation lasts: rules that others change are put back, the server's new addresses are let
//! through, a lost channel ends the isolation if it was asked to, and so does the code typed at the endpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quell_host::isolate::{self as host, Change, State};
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::kept::Kept;
use super::release::Guess;
use super::{Error, Isolation, blocking};
use crate::runner::chain;

/// The look behind the doorbell.
const LOOK: Duration = Duration::from_secs(20);
/// Repairs are told at most this often; those between are counted.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// After a failed repair.
const RETRY: Duration = Duration::from_secs(1);
/// Bursts of changes are looked at once.
const SETTLE: Duration = Duration::from_millis(20);
/// For the timer that is not set.
const NEVER: Duration = Duration::from_hours(365 * 24);

/// Listens to the kernel in a thread of its own, for as long as it lives.
struct Ear {
    bell: Arc<Notify>,
    over: Arc<AtomicBool>,
}

impl Ear {
    fn open() -> Result<Self, Error> {
        let mut watch = host::watch()?;
        let (bell, over) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
        let (ring, ended) = (bell.clone(), over.clone());
        let listen = move || {
            while !ended.load(Ordering::Relaxed) {
                match watch.wait(LOOK) {
                    Ok(Change::Rules | Change::Links | Change::Overrun | Change::Quiet) => ring.notify_one(),
                    Err(error) => {
                        tracing::warn!(error = chain(&error), "the kernel cannot be listened to");
                        std::thread::sleep(RETRY);
                        ring.notify_one();
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("isolation".into()).stack_size(256 << 10);
        thread.spawn(listen).map_err(|_| Error::Interrupted)?;
        Ok(Self { bell, over })
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Repairs that were not told yet.
#[derive(Default)]
struct Tally {
    repairs: u32,
    what: Vec<String>,
    told: Option<Instant>,
}

/// The guard of one agent.
#[derive(Debug)]
pub struct Guard {
    isolation: Isolation,
    moved: Arc<Notify>,
    /// Rung when a repair failed and is due again.
    again: Notify,
}

impl Guard {
    /// `moved` rings when the server's addresses changed.
    pub fn new(isolation: Isolation, moved: Arc<Notify>) -> Self {
        Self { isolation, moved, again: Notify::new() }
    }

    /// Runs for as long as the agent does. Costs nothing while there is no isolation.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            let changed = self.isolation.0.changed.notified();
            if self.isolation.is_isolated() {
                tokio::select! {
                    () = self.keep() => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            } else {
                tokio::select! {
                    () = changed => {}
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        }
    }

    /// Until the isolation ends.
    async fn keep(&self) {
        let isolation = &self.isolation;
        let ear = match Ear::open() {
            Ok(ear) => Some(ear),
            Err(error) => {
                tracing::error!(error = chain(&error), "changes of rules are noticed only by looking");
                None
            }
        };
        let mut link = isolation.0.link.clone();
        let mut lost_since = (!link.borrow_and_update().connected).then(Instant::now);
        let mut tally = Tally::default();
        self.look(&mut tally).await;
        loop {
            let changed = isolation.0.changed.notified();
            let Some(kept) = isolation.view() else { return };
            let deadline = lost_since.zip(minutes(&kept)).map(|(since, wait)| since + wait);
            tokio::select! {
                () = heard(ear.as_ref()) => {
                    sleep(SETTLE).await;
                    self.look(&mut tally).await;
                }
                () = self.again.notified() => self.look(&mut tally).await,
                () = changed => {}
                () = self.moved.notified() => self.follow().await,
                _ = link.changed() => {
                    let connected = link.borrow_and_update().connected;
                    lost_since = if connected { None } else { lost_since.or_else(|| Some(Instant::now())) };
                }
                () = tally_due(&tally) => self.tell(&mut tally),
                () = sleep_until(deadline.unwrap_or_else(|| Instant::now() + NEVER)) => {
                    self.lift_after_loss(&kept).await;
                }
            }
        }
    }

    /// Compares the kernel's rules with ours, and puts ours back.
    async fn look(&self, tally: &mut Tally) {
        let isolation = &self.isolation;
        let mut live = isolation.0.live.lock().await;
        let Some(kept) = live.kept.clone() else { return };
        let what = match live.rules.clone() {
            None => vec!["the rules were never installed".to_owned()],
            Some(rules) => match blocking(move || host::inspect(&rules)).await {
                Ok(Ok(State::Intact)) => return,
                Ok(Ok(State::Absent)) => vec!["every rule was gone".to_owned()],
                Ok(Ok(State::Drifted(differences))) => differences,
                Ok(Err(error)) => vec![chain(&error)],
                Err(error) => vec![chain(&error)],
            },
        };
        match isolation.install(&mut live, &kept.plan).await {
            Ok(_) => {
                tracing::warn!(?what, "isolation repaired");
                tally.repairs += 1;
                tally.what.extend(what);
                tally.what.truncate(32);
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "the isolation cannot be repaired");
                let detail = json!({ "order_id": kept.order_id, "problem": chain(&error), "what": what });
                if tally.told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
                    tally.told = Some(Instant::now());
                    isolation.0.outbox.event("isolation_broken", &detail);
                }
                drop(live);
                sleep(RETRY).await;
                self.again.notify_one();
            }
        }
    }

    fn tell(&self, tally: &mut Tally) {
        let order_id = self.isolation.view().map(|kept| kept.order_id);
        let detail = json!({ "order_id": order_id, "what": tally.what, "repairs": tally.repairs });
        self.isolation.0.outbox.event("isolation_repaired", &detail);
        *tally = Tally { told: Some(Instant::now()), ..Tally::default() };
    }

    /// The server can be reached elsewhere from now on: let the agent through there too.
    async fn follow(&self) {
        let isolation = &self.isolation;
        let mut live = isolation.0.live.lock().await;
        let Some(mut kept) = live.kept.clone() else { return };
        let mut servers = isolation.servers();
        // The address of the session that stands keeps its opening.
        servers.extend(kept.plan.servers.iter().copied());
        let mut fresh = Vec::new();
        for server in servers {
            if !fresh.contains(&server) && fresh.len() < host::MAX_SERVERS {
                fresh.push(server);
            }
        }
        if fresh.iter().all(|server| kept.plan.servers.contains(server)) {
            return;
        }
        kept.plan.servers = fresh;
        let plan = kept.plan.clone();
        let result = match isolation.set(&mut live, Some(kept)) {
            Ok(()) => isolation.install(&mut live, &plan).await.map(|_| ()),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            tracing::error!(error = chain(&error), "the server's new addresses could not be let through");
        }
    }

    async fn lift_after_loss(&self, kept: &Kept) {
        let minutes = kept.params.release_after_channel_loss_minutes;
        match self.isolation.lift().await {
            Ok(()) => {
                let detail = json!({ "order_id": kept.order_id, "why": "channel_lost", "minutes": minutes });
                self.isolation.0.outbox.event("isolation_lifted", &detail);
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "the isolation could not be lifted");
                sleep(RETRY).await;
            }
        }
    }
}

impl Isolation {
    /// Somebody at the endpoint typed a code.
    pub async fn release(&self, code: String) -> Result<Option<Guess>, Error> {
        let mut live = self.0.live.lock().await;
        let Some(mut kept) = live.kept.clone() else { return Ok(None) };
        let Some(mut release) = kept.release.clone() else { return Ok(Some(Guess::Wrong)) };
        let now_us = self.0.clock.now_us();
        let (release, guess) = blocking(move || {
            let guess = release.guess(&code, now_us);
            (release, guess)
        })
        .await?;
        let order_id = kept.order_id.clone();
        kept.release = Some(release);
        // Counted before it is answered; a restart does not give the guesses back.
        self.set(&mut live, Some(kept))?;
        match guess {
            Guess::Right => {
                self.uninstall(&mut live).await?;
                self.set(&mut live, None)?;
                self.0.outbox.event("isolation_released_locally", &json!({ "order_id": order_id }));
            }
            Guess::Wrong => {
                self.0.outbox.event("isolation_release_refused", &json!({ "order_id": order_id }));
            }
            Guess::Wait(_) => {}
        }
        Ok(Some(guess))
    }

    async fn lift(&self) -> Result<(), Error> {
        let mut live = self.0.live.lock().await;
        self.uninstall(&mut live).await?;
        self.set(&mut live, None)
    }
}

fn minutes(kept: &Kept) -> Option<Duration> {
    kept.params.release_after_channel_loss_minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60))
}

async fn heard(ear: Option<&Ear>) {
    match ear {
        Some(ear) => ear.bell.notified().await,
        None => sleep(RETRY).await,
    }
}

async fn tally_due(tally: &Tally) {
    if tally.repairs == 0 {
        return std::future::pending().await;
    }
    if let Some(told) = tally.told {
        sleep_until(told + TELL_EVERY).await;
    }
}
