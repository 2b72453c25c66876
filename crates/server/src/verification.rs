//! Verifies audit trails while people look: one run a tenant at a time, a few at once, and whoever asks meanwhile gets the
//! result of the run that is under way.
//!
//! It is the verification of `quell audit verify`, made by the server that is to be verified: good to see that all is
//! well, no proof to whoever does not trust the server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quell_audit::{Keys, verify};
use quell_store::Micros;
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use crate::state::App;

/// Runs of all tenants together: each reads a whole trail and hashes it.
const AT_ONCE: usize = 2;
/// The longest run; a trail that takes longer is verified beside the server.
const LONGEST: Duration = Duration::from_mins(10);
/// A result is told again for this long, and for ten times as long as it took, so that asking costs little.
const KEPT: Duration = Duration::from_secs(5);
/// However long it took.
const KEPT_MOST: Duration = Duration::from_mins(10);
/// Whoever asks waits this long for the end, then is told how far it is.
const PATIENCE: Duration = Duration::from_secs(15);

/// What became of a run.
#[derive(Debug)]
pub(crate) enum Found {
    /// The trail was walked to its end.
    Report(verify::Report),
    /// It took too long.
    TooLong,
    /// The database could not be read.
    Unreadable,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// What was found.
    pub found: Found,
    /// When it began.
    pub began_at: Micros,
    /// How long it took.
    pub took: Duration,
    ended: Instant,
}

/// What is known now.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    /// The end.
    Done(Arc<Done>),
    /// It goes on.
    Running {
        /// Records that were looked at.
        records: u64,
        /// When it began.
        began_at: Micros,
    },
}

#[derive(Clone)]
struct Run {
    records: Arc<AtomicU64>,
    began_at: Micros,
    done: watch::Receiver<Option<Arc<Done>>>,
}

impl Run {
    /// Whether it answers for now: it goes on, or has not ended long ago. One that fell over answers nothing.
    fn is_current(&self) -> bool {
        let done = self.done.borrow().clone();
        match done {
            Some(done) => done.ended.elapsed() < (done.took * 10).clamp(KEPT, KEPT_MOST),
            None => self.done.has_changed().is_ok(),
        }
    }
}

/// The runs of all tenants.
pub(crate) struct Verifications {
    runs: Mutex<HashMap<Uuid, Run>>,
    turns: Arc<Semaphore>,
}

impl Verifications {
    /// None yet.
    pub fn new() -> Self {
        Self { runs: Mutex::default(), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// Verifies the trail of a tenant, or waits for whoever does already.
pub(crate) async fn look(app: &App, tenant: Uuid) -> Seen {
    let mut run = current(app, tenant);
    let ended = tokio::time::timeout(PATIENCE, run.done.wait_for(Option::is_some)).await;
    match ended {
        Ok(Ok(done)) => done.clone().map(Seen::Done),
        Ok(Err(_)) | Err(_) => None,
    }
    .unwrap_or_else(|| Seen::Running { records: run.records.load(Ordering::Relaxed), began_at: run.began_at })
}

fn current(app: &App, tenant: Uuid) -> Run {
    let mut runs = app.verifications.runs.lock().unwrap_or_else(PoisonError::into_inner);
    runs.retain(|_, run| run.is_current());
    runs.entry(tenant).or_insert_with(|| begin(app.clone(), tenant)).clone()
}

fn begin(app: App, tenant: Uuid) -> Run {
    let (tell, done) = watch::channel(None);
    let run = Run { records: Arc::new(AtomicU64::new(0)), began_at: app.now(), done };
    let (records, turns) = (Arc::clone(&run.records), Arc::clone(&app.verifications.turns));
    // On a task of its own: it goes on for others when whoever asked first has left.
    tokio::spawn(async move {
        let Ok(_turn) = turns.acquire().await else { return };
        let (began_at, began) = (app.now(), Instant::now());
        let found = walk(&app, tenant, began_at, records).await;
        if let Found::Report(report) = &found
            && !report.is_intact()
        {
            tracing::error!(tenant.id = %tenant, problems = report.wrong, "an audit trail is not intact");
        }
        tell.send_replace(Some(Arc::new(Done {
            found,
            began_at,
            took: began.elapsed(),
            ended: Instant::now(),
        })));
    });
    run
}

/// Walks the trail on a thread of its own: hashing takes its time, and others share the threads of requests.
async fn walk(app: &App, tenant: Uuid, began_at: Micros, records: Arc<AtomicU64>) -> Found {
    let (runtime, store) = (tokio::runtime::Handle::current(), app.store.clone());
    let keys = Keys::new([app.sealer.public()]);
    let walk = tokio::task::spawn_blocking(move || {
        let told = |count| records.store(count, Ordering::Relaxed);
        let verified = verify::verify(&store, tenant, &keys, None, began_at, told);
        runtime.block_on(async { tokio::time::timeout(LONGEST, verified).await })
    });
    match walk.await {
        Ok(Ok(Ok(report))) => Found::Report(report),
        Ok(Err(_)) => Found::TooLong,
        Ok(Ok(Err(error))) => {
            tracing::warn!(%error, tenant.id = %tenant, "an audit trail could not be read");
            Found::Unreadable
        }
        Err(_) => Found::Unreadable,
    }
}
