//! Live news as server-sent events (WHATWG HTML, section 9.2), bounded for each watcher and for all.
//!
//! Each says which thing changed and the little that a list shows of it; whoever needs more reads the thing. Who may not
//! read a kind of thing hears nothing of it.
//!
//! A watcher that does not read holds nothing but its place in the engine's ring: when it falls out of it, it is
//! told to look at everything again. A key that is revoked or ends takes its streams with it.

mod places;

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::response::sse::{Event, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use quell_engine::{Change, ChangeStream, Heard};
use quell_store::{Store, endpoint};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};
use uuid::Uuid;

pub(crate) use places::Places;
use places::{Full, Place};

use crate::auth::{self, Caller, Permission};
use crate::incident::word;
use crate::problem::{Code, Problem};
use crate::state::App;

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(15);
/// Endpoints that are remembered for those who watch at the same time.
const REMEMBERED: usize = 10_000;

struct Watcher {
    app: App,
    caller: Caller,
    task: Option<Uuid>,
    news: ChangeStream,
    beat: Interval,
    stopping: watch::Receiver<bool>,
    revocations: watch::Receiver<u64>,
    number: u64,
    first: Option<&'static str>,
    _place: Counted,
}

/// One of the places, counted.
struct Counted {
    app: App,
    _place: Place,
}

impl Drop for Counted {
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
    let place = app.streams.take(caller.tenant, caller.identity.id).map_err(refused)?;
    app.metrics.streams.inc();
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.reset();
    let watcher = Watcher {
        news: app.engine.changes().watch(caller.tenant),
        stopping: app.stopping.clone(),
        revocations: app.revocations.subscribe(),
        _place: Counted { app: app.clone(), _place: place },
        app: app.clone(),
        caller,
        task,
        beat,
        number: 0,
        first: Some(if is_return { "resync" } else { "ready" }),
    };
    Ok(Sse::new(unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok(event), watcher))
    })))
}

fn refused(full: Full) -> Problem {
    let (code, hint) = match full {
        Full::OfOne => (Code::TooManyRequests, "Close some that are open, or poll the list instead."),
        Full::OfTenant => (Code::TooManyRequests, "Poll the list instead."),
        Full::All => (Code::Unavailable, "Poll the list instead."),
    };
    Problem::new(code, full.to_string()).hint(hint).retry_after(30)
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
                    self.caller.identity = auth::still_stands(&self.app, &self.caller).await?;
                    // An event and no comment, which a page would not hear: it is to know when it is cut off.
                    return self.may(Permission::TaskRead).then(|| self.event("beat", &json!({})));
                }
                Some(Heard::Resync) => return Some(self.event("resync", &json!({}))),
                Some(Heard::Change(change)) => {
                    if let Some((kind, data)) = self.told(change).await {
                        return Some(self.event(kind, &data));
                    }
                }
            }
        }
    }

    fn event(&mut self, kind: &str, data: &Value) -> Event {
        self.number += 1;
        Event::default().event(kind).id(self.number.to_string()).data(data.to_string())
    }

    /// The change as it is told; nothing where another task is watched, or the caller may not read such things.
    async fn told(&self, change: Change) -> Option<(&'static str, Value)> {
        let wanted = |of: Uuid| self.task.is_none_or(|task| task == of);
        match change {
            Change::Task { task, state, .. } => {
                wanted(task).then(|| ("task", json!({ "task": id(task), "state": state })))
            }
            Change::Command { task, command, endpoint, state, .. } => wanted(task).then(|| {
                let data = json!({ "task": id(task), "command": id(command), "endpoint": id(endpoint), "state": state });
                ("command", data)
            }),
            Change::Progress { task, command, progress, .. } => wanted(task).then(|| {
                ("progress", json!({ "task": id(task), "command": id(command), "progress": progress }))
            }),
            Change::Approval { task, state, .. } => (wanted(task) && self.may(Permission::ApprovalRead))
                .then(|| ("approval", json!({ "task": id(task), "state": state }))),
            Change::BreakGlass { id: glass, state, .. } => {
                (self.task.is_none() && self.may(Permission::ApprovalRead))
                    .then(|| ("break_glass", json!({ "id": id(glass), "state": state })))
            }
            Change::Artifact { task, command, artifact, state, .. } => {
                (wanted(task) && self.may(Permission::ArtifactRead)).then(|| {
                    let data = json!({ "task": id(task), "command": id(command), "artifact": id(artifact), "state": state });
                    ("artifact", data)
                })
            }
            Change::Shell { task, command, endpoint, state, .. } => wanted(task).then(|| {
                let data = json!({ "task": id(task), "shell": id(command), "endpoint": id(endpoint), "state": state });
                ("shell", data)
            }),
            Change::Incident { incident, number, state, severity, .. } => self.of_incidents().then(|| {
                let severity = word::severity(severity);
                let data = json!({ "incident": id(incident), "number": number, "state": state, "severity": severity });
                ("incident", data)
            }),
            Change::Detection { detection, incident, severity, .. } => self.of_incidents().then(|| {
                let severity = word::severity(severity);
                let data = json!({ "detection": id(detection), "incident": incident.map(id), "severity": severity });
                ("detection", data)
            }),
            Change::Endpoint { endpoint, .. } if self.task.is_none() => {
                Some(("endpoint", self.endpoint(endpoint).await))
            }
            Change::Endpoint { .. } => None,
        }
    }

    /// What lists show of an endpoint, for those who may read endpoints.
    async fn endpoint(&self, endpoint: Uuid) -> Value {
        let mut data = json!({ "endpoint": id(endpoint) });
        if !self.may(Permission::EndpointRead) {
            return data;
        }
        data["connected"] = json!(self.app.is_connected(endpoint));
        let of = (self.caller.tenant, endpoint);
        if let Some(standing) = self.app.standings.of(&self.app.store, of, self.news.told_at()).await {
            data["state"] = json!(standing.state);
            data["isolated"] = json!(standing.is_isolated);
            data["alarm"] = json!(standing.alarm);
        }
        data
    }

    /// Whether news of incidents is told: where no task alone is watched, to who may read them.
    fn of_incidents(&self) -> bool {
        self.task.is_none() && self.may(Permission::IncidentRead)
    }

    fn may(&self, permission: Permission) -> bool {
        self.caller.access().allows(permission)
    }
}

/// How an endpoint stands.
#[derive(Clone, Debug)]
struct Standing {
    state: String,
    is_isolated: bool,
    alarm: Option<String>,
}

/// How endpoints stood when they were last read: those who hear of the same change read it once together.
#[derive(Default)]
pub(crate) struct Standings {
    // Held while one of them reads, so that the others find what it read.
    read: tokio::sync::Mutex<HashMap<(Uuid, Uuid), Read>>,
}

/// What was read, and when that began.
struct Read {
    at: Instant,
    standing: Option<Standing>,
}

impl Standings {
    /// How the endpoint stood at that time or later; `None` where it is gone or cannot be read now.
    async fn of(&self, store: &Store, of: (Uuid, Uuid), at: Instant) -> Option<Standing> {
        let mut read = self.read.lock().await;
        if let Some(known) = read.get(&of)
            && known.at > at
        {
            return known.standing.clone();
        }
        let now = Instant::now();
        let row = store.read(move |tx| endpoint::get(tx, of.0, of.1)).await.ok().flatten();
        let standing = row.map(|row| Standing {
            state: row.state,
            is_isolated: row.isolation.is_some(),
            alarm: row.alarm,
        });
        if read.len() >= REMEMBERED {
            read.clear();
        }
        read.insert(of, Read { at: now, standing: standing.clone() });
        standing
    }
}

fn id(id: Uuid) -> String {
    id.to_string()
}
