//! Carries `blocklist.add` and `blocklist.remove` out: takes their orders as an agent would, changes the list, has it
//! published, waits for the agents, and says what came of it.
//!
//! An order may be carried out twice, after a crash or by two nodes: every word in the list is a task's, and a task says it
//! once.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prost::Message as _;
use quell_catalog::blocklist::import::{self, Imported};
use quell_catalog::blocklist::{MAX_LISTED, MAX_NAMED, Refused, Value, add, remove};
use quell_catalog::{AGENTS, ActionKind};
use quell_engine::{service, signer};
use quell_store::audit;
use quell_store::blocklist::{self as rows, Key, Source};
use quell_wire::blocklist::Held;
use quell_wire::digest::hex;
use quell_wire::{Intent, Order, Outcome, SignedOrder, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::change::{self, BATCH, Change, Changed};
use super::protect::Protected;
use super::{Error, lock};
use crate::state::App;

/// Orders that are taken at a time, of one tenant, and carried out at a time, of all.
const TAKEN: usize = 16;
const AT_ONCE: usize = 4;
/// When nothing rings, and after something failed.
const PAUSE: Duration = Duration::from_secs(5);
/// Bytes of values in one version.
const VALUES: usize = 512 << 10;
/// The kind of the library that lists are.
const INDICATORS: &str = "indicators";
const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// Why an order was not carried out.
enum Failed {
    /// It may be tried again.
    Later(Error),
    /// It will not do.
    Never(&'static str, String),
}

impl From<quell_store::Error> for Failed {
    fn from(error: quell_store::Error) -> Self {
        Self::Later(error.into())
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        match error {
            // It stands in the database, and no agent will hear of it: asking again changes nothing.
            Error::Signer(signer::Error::Refused { code, message }) => Self::Never(
                "signer_refused",
                format!("the list was changed, but the signer does not sign the version ({code}): {message}"),
            ),
            error => Self::Later(error),
        }
    }
}

/// Serves until aborted.
pub(crate) async fn serve(app: App) {
    let id = service::id(AGENTS);
    let bell = app.engine.listen_service(id);
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    // Orders that this process carries out now: those alone are not asked for again.
    let under_way: Arc<Mutex<HashSet<Uuid>>> = Arc::default();
    loop {
        if let Err(error) = round(&app, id, &turns, &under_way).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the block list's orders could not be taken"
            );
        }
        let _ = tokio::time::timeout(PAUSE, bell.rung()).await;
    }
}

async fn round(
    app: &App,
    id: Uuid,
    turns: &Arc<Semaphore>,
    under_way: &Arc<Mutex<HashSet<Uuid>>>,
) -> Result<(), quell_engine::Error> {
    for tenant in app.engine.service_tenants(id).await? {
        let held: Vec<Uuid> = lock(under_way).iter().copied().collect();
        let resumed = app.engine.resume(tenant, id, &held).await?;
        let work = app.engine.lease(tenant, id, TAKEN).await?;
        for signed in resumed.orders.into_iter().chain(work.orders) {
            begin(app, signed, turns, under_way);
        }
    }
    Ok(())
}

fn begin(app: &App, signed: SignedOrder, turns: &Arc<Semaphore>, under_way: &Arc<Mutex<HashSet<Uuid>>>) {
    let Ok(order) = Order::decode(signed.order.as_slice()) else { return };
    let Ok(command) = order.order_id.parse::<Uuid>() else { return };
    if !lock(under_way).insert(command) {
        return;
    }
    let (app, turns, under_way) = (app.clone(), Arc::clone(turns), Arc::clone(under_way));
    tokio::spawn(async move {
        let _turn = turns.acquire().await;
        carry(&app, &order).await;
        lock(&under_way).remove(&command);
    });
}

/// Carries an order out and says what came of it. What may be tried again is said nothing of: it is asked for again.
async fn carry(app: &App, order: &Order) {
    let (Ok(tenant), Some(intent)) = (order.tenant_id.parse::<Uuid>(), Intent::read(&order.intent)) else {
        return;
    };
    let started_at_us = app.now();
    let (status, code, message, result) = match deed(app, tenant, &intent).await {
        Ok(result) => (Status::Done, "", String::new(), result),
        Err(Failed::Never(code, message)) => (Status::Failed, code, message, Vec::new()),
        Err(Failed::Later(error)) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error, tenant.id = %tenant, task.id = intent.task_id,
                "the block list was not changed or not published; it is tried again"
            );
            return;
        }
    };
    let outcome = Outcome {
        tenant_id: order.tenant_id.clone(),
        endpoint_id: order.endpoint_id.clone(),
        order_id: order.order_id.clone(),
        intent_digest: order.intent_digest.clone(),
        status: status.into(),
        reason_code: code.to_owned(),
        message,
        result,
        started_at_us,
        ended_at_us: app.now(),
    };
    if let Err(error) = app.engine.service_outcome(tenant, service::id(AGENTS), outcome).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "an outcome of the block list was not stored"
        );
    }
}

async fn deed(app: &App, tenant: Uuid, intent: &Intent) -> Result<Vec<u8>, Failed> {
    match ActionKind::from_id(&intent.action) {
        Some(ActionKind::BlocklistAdd) => write(&add(app, tenant, intent).await?),
        Some(ActionKind::BlocklistRemove) => write(&remove(app, tenant, intent).await?),
        _ => Err(Failed::Never("unknown_action", "the block list has no such action".to_owned())),
    }
}

fn write(outcome: &impl Serialize) -> Result<Vec<u8>, Failed> {
    serde_json::to_vec(outcome).map_err(|error| Failed::Never("outcome", error.to_string()))
}

fn read<T: DeserializeOwned>(intent: &Intent) -> Result<(T, Uuid), Failed> {
    let params = serde_json::from_slice(&intent.params)
        .map_err(|error| Failed::Never("params_invalid", error.to_string()))?;
    let task = intent.task_id.parse().map_err(|_| Failed::Never("params_invalid", "no task".to_owned()))?;
    Ok((params, task))
}

async fn add(app: &App, tenant: Uuid, intent: &Intent) -> Result<add::Outcome, Failed> {
    let (params, task): (add::Params, Uuid) = read(intent)?;
    let mut refused = Refusals::default();
    let changes = match &params.restore {
        Some(removal) => restored(app, (tenant, task), intent, removal, &mut refused).await?,
        None => puts(app, (tenant, task), intent, &params, &mut refused).await?,
    };
    let done = make(app, tenant, changes, task).await?;
    if done.full > 0 {
        let reason = "the list is full: remove what is not needed any more";
        refused.count += done.full;
        refused.name(Refused { value: String::new(), code: "full".to_owned(), reason: reason.to_owned() });
    }
    let held = app.block_lists.publish(tenant).await?;
    let coverage = app.block_lists.wait_for(tenant, out(&held, &done), done.touched()).await?;
    Ok(add::Outcome {
        task: task.to_string(),
        version: done.state.version.unsigned_abs(),
        digest: hex(if done.state.digest.is_empty() { &held.digest } else { &done.state.digest }),
        added: done.added,
        changed: done.changed,
        unchanged: done.unchanged,
        refused: refused.count,
        refusals: refused.named,
        objects: u32::try_from(done.state.objects).unwrap_or(u32::MAX),
        coverage,
    })
}

async fn remove(app: &App, tenant: Uuid, intent: &Intent) -> Result<remove::Outcome, Failed> {
    let (params, task): (remove::Params, Uuid) = read(intent)?;
    let by = task;
    let mut values: Vec<Value> =
        params.objects.iter().filter_map(|object| Value::parse(object.kind, &object.value).ok()).collect();
    if let Some(list) = &params.list {
        values.extend(listed(app, tenant, list).await?.entries.into_iter().map(|entry| entry.value));
    }
    let changes: Vec<Change> = match &params.task {
        Some(adding) => {
            let adding: Uuid =
                adding.parse().map_err(|_| Failed::Never("params_invalid", "no such task".to_owned()))?;
            let of_task = app.store.read(move |tx| rows::of_task(tx, tenant, adding, MOST)).await?;
            let drop = |row: Source| {
                change::value(row.kind, &row.value).map(|value| Change::DropOf { value, task: adding, by })
            };
            of_task.into_iter().filter_map(drop).collect()
        }
        None => values.iter().cloned().map(|value| Change::Drop { value, by }).collect(),
    };
    let mut refused = Refusals::default();
    let unlisted = app.store.read(move |tx| {
        let keys: Vec<Key> = values.iter().map(change::key).collect();
        let listed = rows::listed(tx, tenant, &keys)?;
        let unlisted = values.iter().zip(&keys).filter(|(_, key)| !listed.contains(*key));
        Ok::<_, quell_store::Error>(
            unlisted.map(|(value, _)| value.to_string()).take(MAX_NAMED).collect::<Vec<_>>(),
        )
    });
    for value in unlisted.await? {
        refused.add(&value, "not_listed", "is not on the list".to_owned());
    }
    let done = make(app, tenant, changes, task).await?;
    let held = app.block_lists.publish(tenant).await?;
    let coverage = app.block_lists.wait_for(tenant, out(&held, &done), done.touched()).await?;
    Ok(remove::Outcome {
        task: task.to_string(),
        version: done.state.version.unsigned_abs(),
        digest: hex(&done.state.digest),
        removed: done.removed,
        kept: done.kept,
        unlisted: done.unlisted,
        refusals: refused.named,
        objects: u32::try_from(done.state.objects).unwrap_or(u32::MAX),
        coverage,
    })
}

/// The version that holds what was done. A history that began anew may have passed by the one that was written.
fn out(held: &Held, done: &Changed) -> u64 {
    held.version.max(done.state.version.unsigned_abs())
}

/// Words of one task that are looked at.
const MOST: i64 = (MAX_LISTED + 1000) as i64;

/// What brings back what a task took off: from now on it is this task that says so, and an undo of it drops what it said.
async fn restored(
    app: &App,
    (tenant, task): (Uuid, Uuid),
    intent: &Intent,
    removal: &str,
    refused: &mut Refusals,
) -> Result<Vec<Change>, Failed> {
    let removal: Uuid =
        removal.parse().map_err(|_| Failed::Never("params_invalid", "no such task".to_owned()))?;
    let gateways = app.addresses.current().to_vec();
    let (removed, protected) = app
        .store
        .read(move |tx| {
            let removed = rows::removed_by(tx, tenant, removal, MOST)?;
            Ok::<_, quell_store::Error>((removed, Protected::read(tx, tenant, &gateways)?))
        })
        .await?;
    let (now, mut sources) = (app.now(), Vec::with_capacity(removed.len()));
    for row in removed {
        let Some(value) = change::value(row.kind, &row.value) else { continue };
        // What is over does not come back, nor what may be listed no more.
        if row.expires_at.is_some_and(|end| end <= now) {
            refused.add(&value.to_string(), "expired", "its time is over already".to_owned());
        } else if let Some((code, why)) = protected.why(&value) {
            refused.add(&value.to_string(), code, why);
        } else {
            sources.push(Source {
                task_id: task,
                added_by: requester(intent),
                added_at: intent.created_at_us,
                ..row
            });
        }
    }
    Ok(said(sources))
}

fn requester(intent: &Intent) -> String {
    intent.requester.as_ref().map(|who| who.name.clone()).unwrap_or_default()
}

/// What one task says, each object once: of several words the strictest action, the highest risk and the latest end.
fn said(sources: Vec<Source>) -> Vec<Change> {
    let mut at: HashMap<(i64, Vec<u8>), usize> = HashMap::with_capacity(sources.len());
    let mut once: Vec<Source> = Vec::with_capacity(sources.len());
    for source in sources {
        match at.entry((source.kind, source.value.clone())) {
            Entry::Vacant(place) => {
                place.insert(once.len());
                once.push(source);
            }
            Entry::Occupied(place) => {
                let Some(known) = once.get_mut(*place.get()) else { continue };
                *known = change::merge(known.clone(), &[known.clone(), source]);
            }
        }
    }
    once.into_iter().map(|source| Change::Put(Box::new(source))).collect()
}

/// What lists the objects of a request.
async fn puts(
    app: &App,
    (tenant, task): (Uuid, Uuid),
    intent: &Intent,
    params: &add::Params,
    refused: &mut Refusals,
) -> Result<Vec<Change>, Failed> {
    let mut entries = Vec::new();
    for object in &params.objects {
        match Value::parse(object.kind, &object.value) {
            Ok(value) => entries.push(import::Entry {
                value,
                action: object.action,
                risk: object.risk,
                expires_in_days: object.expires_in_days,
                valid_from_us: None,
                valid_until_us: None,
                note: object.note.clone(),
            }),
            Err(unfit) => refused.add(&object.value, "unfit", unfit.0),
        }
    }
    if let Some(list) = &params.list {
        let read = listed(app, tenant, list).await?;
        refused.count += u32::try_from(read.problem_count).unwrap_or(u32::MAX);
        for problem in read.problems {
            let reason = format!("line {}: {}", problem.line, problem.problem);
            refused.name(Refused { value: problem.text, code: "unreadable".to_owned(), reason });
        }
        entries.extend(read.entries);
    }
    let gateways = app.addresses.current().to_vec();
    let protected = app.store.read(move |tx| Protected::read(tx, tenant, &gateways)).await?;
    let added_by = requester(intent);
    let mut sources = Vec::with_capacity(entries.len());
    for entry in entries {
        if let Some((code, why)) = protected.why(&entry.value) {
            refused.add(&entry.value.to_string(), code, why);
            continue;
        }
        if let Some((code, why)) = entry.why_not_now(app.now()) {
            refused.add(&entry.value.to_string(), code, why.to_owned());
            continue;
        }
        let days = entry.expires_in_days.unwrap_or(params.expires_in_days);
        let by_days = (days > 0).then(|| intent.created_at_us.saturating_add(i64::from(days) * DAY_US));
        let expires_at = entry.valid_until_us.or(by_days);
        if expires_at.is_some_and(|end| end <= app.now()) {
            refused.add(&entry.value.to_string(), "expired", "its time is over already".to_owned());
            continue;
        }
        let (kind, value) = change::key(&entry.value);
        sources.push(Source {
            kind,
            value,
            task_id: task,
            action: i64::from(entry.action.unwrap_or(params.action).number()),
            risk: i64::from(entry.risk.unwrap_or(params.risk).number()),
            expires_at,
            note: entry.note.or_else(|| params.note.clone()),
            added_by: added_by.clone(),
            added_at: intent.created_at_us,
        });
    }
    Ok(said(sources))
}

/// The objects of a list of the library.
async fn listed(app: &App, tenant: Uuid, list: &str) -> Result<Imported, Failed> {
    let absent = || Failed::Never("unknown_list", format!("the library has no list {list:?}"));
    let digest = list.strip_prefix("sha256:").and_then(quell_wire::digest::unhex::<32>).ok_or_else(absent)?;
    let body = library(app, tenant, digest).await?.ok_or_else(absent)?;
    let read = tokio::task::spawn_blocking(move || import::read(&body)).await;
    let read = read.map_err(|error| Failed::Never("list_unreadable", error.to_string()))?;
    let read = read.map_err(|unfit| Failed::Never("list_unreadable", unfit.0))?;
    match read.too_long() {
        None => Ok(read),
        Some(unfit) => Err(Failed::Never("list_too_long", unfit.0)),
    }
}

async fn library(app: &App, tenant: Uuid, digest: [u8; 32]) -> Result<Option<Vec<u8>>, Failed> {
    let found =
        app.store.read(move |tx| match quell_store::library::by_digest(tx, tenant, INDICATORS, &digest)? {
            Some(_) => quell_store::library::body(tx, tenant, &digest),
            None => Ok::<_, quell_store::Error>(None),
        });
    Ok(found.await?)
}

/// Makes changes, a version for each batch.
async fn make(app: &App, tenant: Uuid, changes: Vec<Change>, task: Uuid) -> Result<Changed, Failed> {
    let mut done = Changed::default();
    for batch in batches(changes) {
        let (now, cause) = (app.now(), task.to_string());
        let next = app.store.write(move |tx| change::make(tx, tenant, &batch, &cause, now)).await?;
        done.add(next);
    }
    if done.state == rows::State::default() {
        done.state = app.store.read(move |tx| rows::state(tx, tenant)).await?;
    }
    Ok(done)
}

/// Cuts changes so that each batch fits a delta.
fn batches(changes: Vec<Change>) -> Vec<Vec<Change>> {
    let (mut batches, mut size) = (vec![Vec::new()], 0);
    for change in changes {
        let bytes = change.key().1.len();
        size += bytes;
        if size > VALUES || batches.last().is_some_and(|batch: &Vec<Change>| batch.len() >= BATCH) {
            batches.push(Vec::new());
            size = bytes;
        }
        if let Some(batch) = batches.last_mut() {
            batch.push(change);
        }
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// Takes off what counts no more, and has it published. Called every so often.
pub(crate) async fn expire(app: &App) -> Result<(), Error> {
    let now = app.now();
    let expired = app.store.read(move |tx| rows::expired(tx, now, BATCH as i64)).await?;
    let tenants: HashSet<Uuid> = expired.iter().map(|(tenant, _, _)| *tenant).collect();
    for tenant in tenants {
        let mine = expired.iter().filter(|(of, _, _)| *of == tenant);
        let changes: Vec<Change> = mine
            .filter_map(|(_, kind, bytes)| change::value(*kind, bytes))
            .map(|value| Change::Expire { value })
            .collect();
        for batch in batches(changes) {
            app.store
                .write(move |tx| {
                    let changed = change::make(tx, tenant, &batch, "expiry", now)?;
                    if changed.removed + changed.changed > 0 {
                        audit::append(tx, &expiry(tenant, now, &batch, &changed))?;
                    }
                    Ok::<_, quell_store::Error>(())
                })
                .await?;
        }
    }
    app.block_lists.look().await
}

/// Objects that a record of an expiry names.
const EXPIRED_NAMED: usize = 20;

/// The record of what went since its time was over: the first objects by name, the others by number.
fn expiry(tenant: Uuid, now: i64, batch: &[Change], changed: &Changed) -> audit::Record {
    let named = batch.iter().filter_map(|change| match change {
        Change::Expire { value } => Some(value.to_string().chars().take(200).collect::<String>()),
        _ => None,
    });
    let named: Vec<String> = named.take(EXPIRED_NAMED).collect();
    audit::Record {
        tenant_id: tenant,
        id: Uuid::now_v7(),
        at: now,
        actor_kind: "system".to_owned(),
        actor_id: "expiry".to_owned(),
        actor_name: "Quell".to_owned(),
        verb: "blocklist.expire".to_owned(),
        object_kind: "block_list".to_owned(),
        object_id: "objects".to_owned(),
        outcome: "ok".to_owned(),
        detail: serde_json::json!({
            "version": changed.state.version, "objects": batch.len(), "removed": changed.removed,
            "changed": changed.changed, "first": named,
        })
        .to_string(),
        request_id: None,
        remote: None,
    }
}

/// What was not listed, and why.
#[derive(Default)]
struct Refusals {
    count: u32,
    named: Vec<Refused>,
}

impl Refusals {
    fn add(&mut self, value: &str, code: &str, reason: String) {
        self.count += 1;
        let value = value.chars().take(200).collect();
        self.name(Refused { value, code: code.to_owned(), reason });
    }

    fn name(&mut self, refused: Refused) {
        if self.named.len() < MAX_NAMED {
            self.named.push(refused);
        }
    }
}
