//! `blocklist.remove`: takes off what a request names, or what one task listed.

use quell_catalog::blocklist::remove::{Outcome, Params};
use quell_catalog::blocklist::{MAX_NAMED, Value};
use quell_store::blocklist::{self as rows, Key, Source};
use quell_wire::Intent;
use quell_wire::digest::hex;
use uuid::Uuid;

use super::refusals::Refusals;
use super::{Failed, MOST, library};
use crate::blocklist::batch;
use crate::blocklist::change::{self, Change};
use crate::state::App;

pub(super) async fn remove(app: &App, tenant: Uuid, intent: &Intent) -> Result<Outcome, Failed> {
    let (params, task): (Params, Uuid) = super::read(intent)?;
    let mut values: Vec<Value> =
        params.objects.iter().filter_map(|object| Value::parse(object.kind, &object.value).ok()).collect();
    if let Some(list) = &params.list {
        values.extend(library::listed(app, tenant, list).await?.entries.into_iter().map(|entry| entry.value));
    }
    let changes = match &params.task {
        Some(adding) => taken_back(app, (tenant, task), super::task_id(adding)?).await?,
        None => values.iter().cloned().map(|value| Change::Drop { value, by: task }).collect(),
    };
    let mut refused = Refusals::default();
    for value in unlisted(app, tenant, values).await? {
        refused.add(&value, "not_listed", "is not on the list".to_owned());
    }
    let done = batch::make(app, tenant, changes, task).await?;
    let held = app.block_lists.publish(tenant).await?;
    let coverage = app.block_lists.wait_for(tenant, super::out(&held, &done), done.touched()).await?;
    Ok(Outcome {
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

/// What takes back what another task said.
async fn taken_back(app: &App, (tenant, by): (Uuid, Uuid), adding: Uuid) -> Result<Vec<Change>, Failed> {
    let of_task = app.store.read(move |tx| rows::of_task(tx, tenant, adding, MOST)).await?;
    let drop = |row: Source| {
        change::value(row.kind, &row.value).map(|value| Change::DropOf { value, task: adding, by })
    };
    Ok(of_task.into_iter().filter_map(drop).collect())
}

/// The first of these that are not listed.
async fn unlisted(app: &App, tenant: Uuid, values: Vec<Value>) -> Result<Vec<String>, Failed> {
    let unlisted = app.store.read(move |tx| {
        let keys: Vec<Key> = values.iter().map(change::key).collect();
        let listed = rows::listed(tx, tenant, &keys)?;
        let unlisted = values.iter().zip(&keys).filter(|(_, key)| !listed.contains(*key));
        Ok::<_, quell_store::Error>(
            unlisted.map(|(value, _)| value.to_string()).take(MAX_NAMED).collect::<Vec<_>>(),
        )
    });
    Ok(unlisted.await?)
}
