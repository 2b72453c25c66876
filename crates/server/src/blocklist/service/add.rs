//! `blocklist.add`: lists what a request names, or again what a removal took off.

use std::collections::hash_map::{Entry as Known, HashMap};

use quell_catalog::blocklist::add::{Outcome, Params};
use quell_catalog::blocklist::import::Entry;
use quell_catalog::blocklist::{Refused, Value};
use quell_store::Micros;
use quell_store::blocklist::{self as rows, Source};
use quell_wire::Intent;
use quell_wire::digest::hex;
use uuid::Uuid;

use super::refusals::Refusals;
use super::{Failed, MOST, library};
use crate::blocklist::batch;
use crate::blocklist::change::{self, Change};
use crate::blocklist::protect::{Protected, Why};
use crate::state::App;

const DAY_US: i64 = 24 * 3600 * 1_000_000;
/// Why what counts no more is not listed.
const OVER: (&str, &str) = ("expired", "its time is over already");

pub(super) async fn add(app: &App, tenant: Uuid, intent: &Intent) -> Result<Outcome, Failed> {
    let (params, task): (Params, Uuid) = super::read(intent)?;
    let mut refused = Refusals::default();
    let changes = match &params.restore {
        Some(removal) => restored(app, (tenant, task), intent, removal, &mut refused).await?,
        None => puts(app, (tenant, task), intent, &params, &mut refused).await?,
    };
    let done = batch::make(app, tenant, changes, task).await?;
    if done.full > 0 {
        let reason = "the list is full: remove what is not needed any more";
        refused.count += done.full;
        refused.name(Refused { value: String::new(), code: "full".to_owned(), reason: reason.to_owned() });
    }
    let held = app.block_lists.publish(tenant).await?;
    let coverage = app.block_lists.wait_for(tenant, super::out(&held, &done), done.touched()).await?;
    Ok(Outcome {
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

/// What brings back what a task took off: from now on it is this task that says so, and an undo of it drops what it said.
async fn restored(
    app: &App,
    (tenant, task): (Uuid, Uuid),
    intent: &Intent,
    removal: &str,
    refused: &mut Refusals,
) -> Result<Vec<Change>, Failed> {
    let removal = super::task_id(removal)?;
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
            refused.add(&value.to_string(), OVER.0, OVER.1.to_owned());
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
            Known::Vacant(place) => {
                place.insert(once.len());
                once.push(source);
            }
            Known::Occupied(place) => {
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
    params: &Params,
    refused: &mut Refusals,
) -> Result<Vec<Change>, Failed> {
    let entries = asked(app, tenant, params, refused).await?;
    let gateways = app.addresses.current().to_vec();
    let protected = app.store.read(move |tx| Protected::read(tx, tenant, &gateways)).await?;
    let added_by = requester(intent);
    let mut sources = Vec::with_capacity(entries.len());
    for entry in entries {
        let expires_at = end(&entry, params, intent);
        if let Some((code, why)) = why_not(&entry, expires_at, &protected, app.now()) {
            refused.add(&entry.value.to_string(), code, why);
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

/// The objects of a request, and of the list that it names.
async fn asked(
    app: &App,
    tenant: Uuid,
    params: &Params,
    refused: &mut Refusals,
) -> Result<Vec<Entry>, Failed> {
    let mut entries = Vec::new();
    for object in &params.objects {
        match Value::parse(object.kind, &object.value) {
            Ok(value) => entries.push(Entry {
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
        let read = library::listed(app, tenant, list).await?;
        refused.count += u32::try_from(read.problem_count).unwrap_or(u32::MAX);
        for problem in read.problems {
            let reason = format!("line {}: {}", problem.line, problem.problem);
            refused.name(Refused { value: problem.text, code: "unreadable".to_owned(), reason });
        }
        entries.extend(read.entries);
    }
    Ok(entries)
}

/// When an entry counts no more: what its own list says of it goes before any number of days.
fn end(entry: &Entry, params: &Params, intent: &Intent) -> Option<Micros> {
    let days = entry.expires_in_days.unwrap_or(params.expires_in_days);
    let by_days = (days > 0).then(|| intent.created_at_us.saturating_add(i64::from(days) * DAY_US));
    entry.valid_until_us.or(by_days)
}

/// Why an entry is not listed; `None` where it is.
fn why_not(entry: &Entry, expires_at: Option<Micros>, protected: &Protected, now: Micros) -> Option<Why> {
    let over = || expires_at.is_some_and(|end| end <= now).then_some(OVER);
    let untimely = || entry.why_not_now(now).or_else(over).map(|(code, why)| (code, why.to_owned()));
    protected.why(&entry.value).or_else(untimely)
}
