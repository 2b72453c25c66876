//! Live news as server-sent events (WHATWG HTML, section 9.2), bounded for each watcher and for all.
//!
//! A watcher that does not read holds nothing but its place in the engine's ring: when it falls out of it, it is
//! told to look at everything again. A key that is revoked or ends takes its streams with it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use quell_engine::{Change, ChangeStream, Heard};
use quell_store::command;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use uuid::Uuid;

use crate::auth::{self, Caller};
use crate::problem::{Code, Problem};
use crate::state::App;

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(15);
/// Commands whose task one watcher remembers.
const KNOWN: usize = 10_000;
/// Streams of all watchers together.
pub(crate) const STREAMS: usize = 512;

struct Watcher {
    app: App,
    caller: Caller,
    task: Option<Uuid>,
    news: ChangeStream,
    beat: Interval,
    stopping: watch::Receiver<bool>,
    revocations: watch::Receiver<u64>,
    /// Commands that reported progress, and whether they are of the task that is watched.
    known: HashMap<Uuid, bool>,
    number: u64,
    first: Option<&'static str>,
    _place: Place,
}

/// One of the places, counted.
struct Place {
    app: App,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.app.metrics.streams.dec();
    }
}

/// The news of the caller's tenant from now on.
pub(crate) fn stream(
    app: &App,
    caller: Caller,
    task: Option<Uuid>,
    is_return: bool,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, Problem> {
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| {
        Problem::new(Code::Unavailable, "too many live streams are open")
            .hint("Poll the list instead.")
            .retry_after(30)
    })?;
    app.metrics.streams.inc();
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.reset();
    let watcher = Watcher {
        news: app.engine.changes().watch(caller.tenant),
        stopping: app.stopping.clone(),
        revocations: app.revocations.subscribe(),
        _place: Place { app: app.clone(), _permit: permit },
        app: app.clone(),
        caller,
        task,
        beat,
        known: HashMap::new(),
        number: 0,
        first: Some(if is_return { "resync" } else { "ready" }),
    };
    Ok(Sse::new(unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok(event), watcher))
    })))
}

impl Watcher {
    async fn next(&mut self) -> Option<Event> {
        if let Some(first) = self.first.take() {
            return Some(self.event(first, &json!({})));
        }
        loop {
            // What is heard is looked at outside of the select, which holds parts of this while it waits.
            let heard = tokio::select! {
                heard = self.news.next() => Some(heard?),
                _ = self.beat.tick() => None,
                _ = self.revocations.changed() => None,
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
            };
            match heard {
                None => {
                    return if self.may_stay().await { Some(Event::default().comment("beat")) } else { None };
                }
                Some(Heard::Resync) => return Some(self.event("resync", &json!({}))),
                Some(Heard::Change(change)) => {
                    if let Change::Progress { command, .. } = &change
                        && !self.is_watched(*command).await
                    {
                        continue;
                    }
                    if let Some((kind, data)) = self.told(&change) {
                        return Some(self.event(kind, &data));
                    }
                }
            }
        }
    }

    /// Whether the command is of the task that is watched; progress itself does not say of which it is.
    async fn is_watched(&mut self, command: Uuid) -> bool {
        let Some(task) = self.task else { return true };
        if let Some(known) = self.known.get(&command) {
            return *known;
        }
        let tenant = self.caller.tenant;
        let row = self.app.store.read(move |tx| command::get(tx, tenant, command)).await;
        let is_watched = row.ok().flatten().is_some_and(|row| row.task_id == task);
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(command, is_watched);
        is_watched
    }

    fn event(&mut self, kind: &str, data: &Value) -> Event {
        self.number += 1;
        Event::default().event(kind).id(self.number.to_string()).data(data.to_string())
    }

    /// The change as it is told, unless another task is watched.
    fn told(&self, change: &Change) -> Option<(&'static str, Value)> {
        let wanted = |of: &Uuid| self.task.is_none_or(|task| task == *of);
        match change {
            Change::Task { task, state, .. } => wanted(task).then(|| ("task", json!({ "task": id(task), "state": state }))),
            Change::Command { task, command, endpoint, state, .. } => wanted(task).then(|| {
                let data = json!({ "task": id(task), "command": id(command), "endpoint": id(endpoint), "state": state });
                ("command", data)
            }),
            Change::Progress { command, progress, .. } => {
                Some(("progress", json!({ "command": id(command), "progress": progress })))
            }
            Change::Endpoint { endpoint, .. } => {
                self.task.is_none().then(|| ("endpoint", json!({ "endpoint": id(endpoint) })))
            }
        }
    }

    /// Whether the credential is still good.
    async fn may_stay(&self) -> bool {
        auth::still_stands(&self.app, &self.caller).await
    }
}

fn id(id: &Uuid) -> String {
    id.to_string()
}
