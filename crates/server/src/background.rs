//! What goes on beside the requests: what is due, what is written in batches, what is counted.

use std::time::Duration;

use quell_engine::{Change, Heard};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::blocklist;
use crate::incident;
use crate::notices;
use crate::retention;
use crate::state::App;

/// Time between two looks at what is due.
const TICK: Duration = Duration::from_secs(1);
/// Time between two rounds of the sealer of the audit trail.
const SEAL: Duration = Duration::from_millis(500);
/// Time between two looks at the block lists.
const LISTS: Duration = Duration::from_secs(3);
/// Time between two rounds of slower work.
const ROUND: Duration = Duration::from_mins(1);

/// All of it; ends when dropped.
pub(crate) struct Background {
    tasks: Vec<JoinHandle<()>>,
}

impl Background {
    /// Begins.
    pub fn start(app: &App) -> Self {
        Self {
            tasks: vec![
                tokio::spawn(tick(app.clone())),
                tokio::spawn(gather(app.clone())),
                tokio::spawn(notices::send(app.clone())),
                tokio::spawn(seal(app.clone())),
                tokio::spawn(rounds(app.clone())),
                tokio::spawn(count(app.clone())),
                tokio::spawn(keys(app.clone())),
                tokio::spawn(block_lists(app.clone())),
                tokio::spawn(blocklist::service::serve(app.clone())),
            ],
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn tick(app: App) {
    let mut turn = interval(TICK);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        if let Err(error) = app.engine.tick().await {
            tracing::error!(%error, "what is due could not be done; it is tried again");
        }
    }
}

async fn seal(app: App) {
    let mut turn = interval(SEAL);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        match app.sealer.round(&app.store, app.now()).await {
            Ok(_) => {}
            Err(error @ quell_audit::Error::Taken) => {
                tracing::debug!(%error, "the audit trail is sealed by another");
            }
            Err(error) => tracing::error!(%error, "the audit trail could not be sealed; it is tried again"),
        }
    }
}

/// Reads what was sealed, for those who are told of it.
async fn gather(app: App) {
    let mut turn = interval(SEAL);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        match notices::gather(&app).await {
            Ok(true) => app.notices.bell.notify_one(),
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "the trail could not be read for notices; it is tried again");
            }
        }
    }
}

async fn rounds(app: App) {
    let mut turn = interval(ROUND);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        if let Err(error) = app.flush_used().await {
            tracing::warn!(%error, "when keys were last used could not be written");
        }
        if let Err(error) = app.addresses.look(&app.store, app.tenant, &app.sessions).await {
            tracing::warn!(%error, "where agents are to connect could not be read");
        }
        if let Err(error) = app.trusts.look(&app.store, &app.sessions).await {
            tracing::warn!(%error, "the trust bundles could not be read");
        }
        if let Err(error) = notices::forget(&app).await {
            tracing::warn!(%error, "old notices could not be removed");
        }
        if let Err(error) = retention::forget_ended(&app).await {
            tracing::warn!(%error, "old sessions could not be removed");
        }
        if let Err(error) = incident::retention::sweep(&app).await {
            tracing::warn!(%error, "old incidents could not be removed");
        }
        if let Err(problem) = retention::sweep(&app).await {
            tracing::warn!(?problem, "expired artifacts could not be removed");
        }
    }
}

/// Publishes what another node changed or this one did not finish, lists and protection, and takes off what counts no more.
async fn block_lists(app: App) {
    let mut turn = interval(LISTS);
    turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        if let Err(error) = blocklist::expire::expire(&app).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the block lists are not as they should be; it is tried again"
            );
        }
        if let Err(error) = app.protections.look().await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "protection documents could not be looked at; it is tried again"
            );
        }
    }
}

/// Has all sessions hand on the order keys when they changed.
async fn keys(app: App) {
    let mut keys = app.signer.client().watch_keys();
    while keys.changed().await.is_ok() {
        let version = keys.borrow_and_update().set.version;
        tracing::info!(version, "the order keys changed; agents are told");
        app.sessions.keys_changed();
    }
}

/// Counts what changes, for the metrics.
async fn count(app: App) {
    let mut news = app.engine.changes().watch_all();
    while let Some(heard) = news.next().await {
        match heard {
            Heard::Change(Change::Task { state, .. }) => app.metrics.changed("task", state),
            Heard::Change(Change::Command { state, .. }) => app.metrics.changed("command", state),
            Heard::Change(Change::Approval { state, .. }) => app.metrics.changed("approval", state),
            Heard::Change(Change::BreakGlass { state, .. }) => app.metrics.changed("break_glass", state),
            Heard::Change(Change::Artifact { state, .. }) => app.metrics.changed("artifact", state),
            Heard::Change(Change::Incident { state, .. }) => app.metrics.changed("incident", &state),
            Heard::Change(Change::Detection { .. }) => app.metrics.changed("detection", "new"),
            Heard::Change(Change::Progress { .. } | Change::Endpoint { .. } | Change::Shell { .. })
            | Heard::Resync => {}
        }
    }
}
