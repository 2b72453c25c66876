//! `POST /ingest/{source}`: what other products detected.

mod pace;

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use quell_ingest::{Event, Limits, Pack, Refused};
use quell_store::audit;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::body::{Json, collect_any};
use super::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::incident;
use crate::incident::ingest::{Taken, take};
use crate::incident::places::Places;
use crate::problem::{Code, Problem};
use crate::state::App;

/// Events that one transaction writes.
const GROUP: usize = 200;
/// Records that are named as refused.
const REFUSED: usize = 100;
/// News of one request; who watches lists reads them once in any case.
const NEWS: usize = 200;

pub(crate) use pace::Pace;

/// The routes of what comes from other products.
pub(crate) fn routes() -> Vec<Route> {
    vec![permit(Permission::IngestWrite, routes!(ingest_events))]
}

/// What became of the records.
#[derive(Debug, Serialize, ToSchema)]
struct Ingested {
    /// Records that are detections from now on.
    taken: u64,
    /// Those that were told before.
    repeated: u64,
    /// Those that the source's pack passes over.
    skipped: u64,
    /// Of those taken, how many belong to an incident.
    joined: u64,
    /// How many were refused.
    refused_count: u64,
    /// The first of them, at most 100.
    refused: Vec<RefusedRecord>,
}

/// A record that became no detection.
#[derive(Debug, Serialize, ToSchema)]
struct RefusedRecord {
    /// Which, from 0.
    index: usize,
    /// Where in it: a JSON pointer, empty for the record as a whole.
    pointer: String,
    /// Why.
    problem: String,
}

impl RefusedRecord {
    fn of(refused: &Refused) -> Self {
        Self { index: refused.index, pointer: refused.pointer.clone(), problem: refused.reason.to_string() }
    }
}

/// Hand in what another product detected
///
/// One JSON object, an array of them, or one a line, as the source writes them; at most 8 MiB and 10,000 records. A record that
/// was told before counts once. Each is taken, passed over or refused by itself; where all are refused, the request is. A key
/// hands in 60,000 records a minute; beyond that the answer is 429, with the time to wait.
#[utoipa::path(post, path = "/ingest/{source}", tag = "incidents",
    params(("source" = String, Path, description = "`suricata`, `falco`, `wazuh`, `ocsf` or `generic`")),
    request_body(content = String, content_type = "application/json"),
    responses((status = 200, body = Ingested)))]
async fn ingest_events(
    State(app): State<App>,
    caller: Caller,
    Path(source): Path<String>,
    request: Request,
) -> Result<Json<Ingested>, Problem> {
    let pack = Pack::named(&source).ok_or_else(|| Problem::not_found("source"))?;
    let limits = Limits::default();
    app.pace.allow(caller.identity.id, app.now())?;
    let body = collect_any(request, limits.body_bytes).await?;
    // A body of many records takes a while to read: not on a thread that answers others.
    let read = tokio::task::spawn_blocking(move || read(pack, &body, limits));
    let Read { events, refused, refused_count, skipped } =
        read.await.map_err(|error| Problem::internal(&error))?;
    let records = events.len() as u64 + skipped + refused_count;
    app.pace.spend(caller.identity.id, records, app.now())?;
    if events.is_empty() && skipped == 0 && refused_count > 0 {
        return Err(all_refused(&refused, refused_count));
    }
    let taken = write(&app, &caller, &source, events).await?;
    Ok(Json(Ingested {
        taken: taken.new,
        repeated: taken.repeated,
        skipped,
        joined: taken.joined,
        refused_count,
        refused,
    }))
}

/// What a body held.
struct Read {
    events: Vec<Event>,
    refused: Vec<RefusedRecord>,
    refused_count: u64,
    skipped: u64,
}

fn read(pack: &'static Pack, body: &[u8], limits: Limits) -> Read {
    let mut found = Read { events: Vec::new(), refused: Vec::new(), refused_count: 0, skipped: 0 };
    let mut records = pack.read(body, limits);
    for record in records.by_ref() {
        match record {
            Ok(event) => found.events.push(event),
            Err(refused) => {
                found.refused_count += 1;
                if found.refused.len() < REFUSED {
                    found.refused.push(RefusedRecord::of(&refused));
                }
            }
        }
    }
    found.skipped = records.skipped();
    found
}

async fn write(app: &App, caller: &Caller, source: &str, events: Vec<Event>) -> Result<Taken, Problem> {
    let mut all = Taken::default();
    let (tenant, now) = (caller.tenant, app.now());
    let places = Arc::new(Places::find(&app.store, tenant, &events).await?);
    for group in events.chunks(GROUP) {
        let (group, caller, source) = (group.to_vec(), caller.clone(), source.to_owned());
        let places = Arc::clone(&places);
        let written = app.store.write(move |tx| {
            let taken = take(tx, tenant, &group, &places, now)?;
            if taken.new > 0 {
                let detail = json!({ "taken": taken.new, "joined": taken.joined });
                audit::append(tx, &caller.record(now, "detection.ingest", "source", &source, &detail))?;
            }
            Ok::<_, quell_store::Error>(taken)
        });
        let taken = written.await?;
        all.new += taken.new;
        all.repeated += taken.repeated;
        all.joined += taken.joined;
        let room = NEWS.saturating_sub(all.news.len());
        all.news.extend(taken.news.into_iter().take(room));
    }
    incident::tell(app.engine.changes(), std::mem::take(&mut all.news));
    Ok(all)
}

fn all_refused(refused: &[RefusedRecord], count: u64) -> Problem {
    let first = refused.first().map_or("", |first| first.problem.as_str());
    let detail = match count {
        1 => format!("the record was refused: {first}"),
        count => format!("all {count} records were refused; the first: {first}"),
    };
    let problem = Problem::new(Code::InvalidField, detail)
        .hint("`docs/ingest.md` says what each source's records look like.");
    refused.iter().take(20).fold(problem, |problem, one| {
        problem.field(format!("[{}]{}", one.index, one.pointer), one.problem.clone())
    })
}
