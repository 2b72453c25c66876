//! What is changed and not undone. Of an isolation the endpoint itself says whether it stands, and by which task: a task
//! that succeeded says nothing of what was done since, by a restore by hand, by another isolation or by a release code.

use std::collections::BTreeSet;

use quell_catalog::{ActionKind, Effect, Standing};
use quell_store::command::{self, Unsettled};
use quell_store::{Error, Page, Tx, endpoint, task};
use serde_json::Value;
use uuid::Uuid;

use super::MOST;
use crate::api::scan::{Span, scan};

/// Ends of one task that are looked at, to see whether one may stand.
const ENDS: i64 = 200;

/// The tasks, newest first.
pub(super) fn read(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Vec<task::Task>, Error> {
    let mut found = standing(tx, tenant)?;
    for kind in ActionKind::ALL {
        let Effect::Reversible { by } = kind.spec().effect else { continue };
        found.extend(match kind.spec().standing {
            Some(Standing::Isolated) => may_stand(tx, tenant, *kind, by)?,
            // What gives an endpoint back could be taken back too, and leaves nothing open.
            Some(Standing::Restored) => Vec::new(),
            None => succeeded(tx, tenant, *kind)?,
        });
    }
    found.sort_by_key(|row| std::cmp::Reverse(row.id));
    found.dedup_by_key(|row| row.id);
    Ok(found)
}

/// Tasks by which an endpoint is isolated now.
fn standing(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Vec<task::Task>, Error> {
    let task_of = |isolation: &str| {
        let isolation: Value = serde_json::from_str(isolation).ok()?;
        isolation.get("task")?.as_str()?.parse::<Uuid>().ok()
    };
    let isolations = endpoint::isolations(tx, tenant)?;
    let ids: BTreeSet<Uuid> = isolations.iter().filter_map(|isolation| task_of(isolation)).collect();
    let mut rows = Vec::new();
    for id in ids.into_iter().rev().take(MOST as usize) {
        rows.extend(task::get(tx, tenant, id)?);
    }
    Ok(rows)
}

/// Tasks of which some target was left without anybody knowing how.
fn may_stand(tx: &mut Tx<'_>, tenant: Uuid, kind: ActionKind, by: &str) -> Result<Vec<task::Task>, Error> {
    let is_whole = |row: &task::Task| row.succeeded_count + row.open_count == row.target_count;
    let found = of_action(tx, tenant, kind, |row| !is_whole(row) && row.undone_by.is_none())?;
    let mut rows = Vec::new();
    for row in found {
        let ends = command::unsettled(tx, tenant, row.id, [kind.id(), by], ENDS)?;
        if ends.iter().any(|end| is_open(kind, &row, end)) {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Whether this end may have left the change behind: its report says so, or there is none and it had begun.
fn is_open(kind: ActionKind, task: &task::Task, end: &Unsettled) -> bool {
    let Some(outcome) = &end.outcome else {
        return end.state == "indeterminate" || end.started_at.is_some();
    };
    let params = serde_json::from_str(&task.params).unwrap_or(Value::Null);
    let outcome = serde_json::from_str(outcome).unwrap_or(Value::Null);
    (kind.declared().undo)(&params, &outcome).is_ok_and(|undo| undo.is_some())
}

/// Tasks of an action that leaves no mark on its endpoint: what succeeded and was not undone.
fn succeeded(tx: &mut Tx<'_>, tenant: Uuid, kind: ActionKind) -> Result<Vec<task::Task>, Error> {
    of_action(tx, tenant, kind, |row| {
        row.succeeded_count > 0 && row.undone_by.is_none() && row.undo_of.is_none()
    })
}

fn of_action(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    kind: ActionKind,
    keep: impl Fn(&task::Task) -> bool,
) -> Result<Vec<task::Task>, Error> {
    let filter = task::Filter { action: Some(kind.id().to_owned()), ..task::Filter::default() };
    let page = Page { after: None, limit: MOST };
    let fetch = |page| task::list(tx, tenant, &filter, page);
    scan(page, Span::default(), |row| row.created_at, |row| row.id, keep, fetch).map(|found| found.rows)
}
