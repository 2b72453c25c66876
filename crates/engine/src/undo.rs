//! Taking a task back: another task, made from what the outcomes say was done.

use std::{sync::Arc, time::Duration};

use quell_catalog::{ActionKind, Effect, OnFailure, Undo, is_clean_text};
use quell_store::{
    Tx, command,
    command::Command,
    endpoint,
    task::{self, Task},
};
use quell_wire::digest::sha256;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Actor, CommandState, Engine, Error, Inner, Submitted, Targets,
    plan::{self, Created, Draft},
    settle::{self, Step},
};

/// How long an undo waits for its endpoints: longer than most, since what it takes back lasts until then.
const EXPIRES_IN: Duration = Duration::from_hours(7 * 24);

impl Engine {
    /// Asks for the way back of a task, on those of its targets where it did something.
    ///
    /// # Errors
    /// [`Error::NoUndo`] where there is nothing to take back or no way to, [`Error::Undone`] where another task
    /// does it already, [`Error::State`] while commands are open (cancel them first).
    pub async fn undo(
        &self,
        actor: &Actor,
        tenant: Uuid,
        task: Uuid,
        reason: &str,
    ) -> Result<Submitted, Error> {
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.len() > 2000 || !is_clean_text(&reason) {
            return Err(Error::request("reason", "must be 1 to 2000 bytes without control characters"));
        }
        let (inner, actor) = (self.inner.clone(), actor.clone());
        let created = self
            .write(move |tx| {
                let row = task::get(tx, tenant, task)?.ok_or(Error::NotFound("task"))?;
                create(tx, &inner, &actor, &row, &reason)
            })
            .await?;
        self.announce_task(tenant, &created.submitted, &created.endpoints);
        Ok(created.submitted)
    }
}

/// Writes the task that undoes this one.
pub(crate) fn create(
    tx: &mut Tx<'_>,
    inner: &Arc<Inner>,
    actor: &Actor,
    row: &Task,
    reason: &str,
) -> Result<Created, Error> {
    if let Some(by) = row.undone_by {
        return Err(Error::Undone(by));
    }
    if row.open_count > 0 {
        return Err(Error::State(format!("{}: {} of its commands are open", row.state, row.open_count)));
    }
    let kind = ActionKind::from_id(&row.action).ok_or(Error::Corrupt("action"))?;
    let params: Value = serde_json::from_str(&row.params).map_err(|_| Error::Corrupt("params"))?;
    let (undo, endpoints) = collect(tx, row, kind, &params)?;
    let params = (undo.action.declared().check_params)(&undo.params)?;
    let draft = Draft {
        tenant: row.tenant_id,
        kind: undo.action,
        params,
        targets: Targets::Endpoints(endpoints),
        reason: reason.to_owned(),
        idempotency_key: None,
        request_digest: sha256(&[b"quell/undo/v1\0", row.id.as_bytes()]),
        expires_in: EXPIRES_IN,
        revert_after: None,
        confirm_count: None,
        undo_of: Some(row.id),
    };
    let created = plan::create(tx, inner, actor, &draft)?;
    if !task::undone(tx, row.tenant_id, row.id, created.submitted.task_id)? {
        return Err(Error::Raced);
    }
    Ok(created)
}

/// The way back, and the endpoints where something is to be taken back. One that was revoked cannot be reached any
/// more, which is no reason to leave the others as they are.
fn collect(
    tx: &mut Tx<'_>,
    row: &Task,
    kind: ActionKind,
    params: &Value,
) -> Result<(Undo, Vec<Uuid>), Error> {
    let mut found: Option<Undo> = None;
    let (mut endpoints, mut revoked) = (Vec::new(), 0);
    let mut after = -1;
    loop {
        let page = command::of_task(tx, row.tenant_id, row.id, after, 500)?;
        let Some(last) = page.last() else { break };
        after = last.leaf_index;
        for command in &page {
            let Some(undo) = way_back(kind, params, command) else { continue };
            match &found {
                Some(first) if *first != undo => {
                    return Err(Error::NoUndo(
                        "its targets need different ways back; undo them one by one".to_owned(),
                    ));
                }
                Some(_) => {}
                None => found = Some(undo),
            }
            match endpoint::get(tx, row.tenant_id, command.endpoint_id)? {
                Some(endpoint) if endpoint.state == "active" => endpoints.push(command.endpoint_id),
                Some(_) | None => revoked += 1,
            }
        }
    }
    if endpoints.is_empty() && revoked > 0 {
        return Err(Error::NoUndo("every endpoint on which it left something was revoked".to_owned()));
    }
    found
        .map(|undo| (undo, endpoints))
        .ok_or_else(|| Error::NoUndo(format!("{} left nothing to take back", kind.id())))
}

/// The way back of one command; `None` where it did nothing, or nothing that can be taken back. An end other
/// than success counts too: where the outcome tells what was done, and where nobody can tell.
fn way_back(kind: ActionKind, params: &Value, command: &Command) -> Option<Undo> {
    let state = settle::state_of(command).ok()?;
    after(kind, params, state, command.started_at.is_some(), command.outcome.as_deref())
}

fn after(
    kind: ActionKind,
    params: &Value,
    state: CommandState,
    began: bool,
    outcome: Option<&str>,
) -> Option<Undo> {
    if let Some(outcome) = outcome {
        let outcome = serde_json::from_str(outcome).ok()?;
        return (kind.declared().undo)(params, &outcome).ok().flatten();
    }
    let may_stand = match state {
        CommandState::Indeterminate => true,
        CommandState::Canceled | CommandState::Failed => began,
        CommandState::PendingApproval
        | CommandState::Queued
        | CommandState::Dispatched
        | CommandState::Running
        | CommandState::Verifying
        | CommandState::Succeeded
        | CommandState::Refused
        | CommandState::Rejected
        | CommandState::Expired => false,
    };
    may_stand.then(|| blind(kind)).flatten()
}

/// The way back where no outcome says what was done: for what its service would have taken back had it failed. Such a
/// way back does no harm where nothing is left.
fn blind(kind: ActionKind) -> Option<Undo> {
    let spec = kind.spec();
    match (spec.on_failure, spec.effect) {
        (OnFailure::Undo, Effect::Reversible { by }) => {
            Some(Undo { action: ActionKind::from_id(by)?, params: serde_json::json!({}) })
        }
        (OnFailure::Undo | OnFailure::Keep, _) => None,
    }
}

/// Whether what this command leaves, or may leave, is to be undone when its time is over.
pub(crate) fn is_to_be_taken_back(
    tx: &mut Tx<'_>,
    task: &Task,
    command: &Command,
    to: CommandState,
    step: &Step,
) -> Result<bool, Error> {
    let may_stand = || -> Result<bool, Error> {
        let kind = ActionKind::from_id(&task.action).ok_or(Error::Corrupt("action"))?;
        let params: Value = serde_json::from_str(&task.params).map_err(|_| Error::Corrupt("params"))?;
        let began = command.started_at.is_some() || step.started_at.is_some();
        let outcome = step.report.as_ref().and_then(|report| report.outcome.as_deref());
        Ok(after(kind, &params, to, began, outcome).is_some())
    };
    match to {
        CommandState::Succeeded => Ok(true),
        CommandState::Indeterminate => may_stand(),
        // What stands already by another command was not this one's to end.
        CommandState::Canceled => Ok(may_stand()? && !stands_by_another(tx, command)?),
        // The service said that it took back what it did, or that it did nothing.
        CommandState::PendingApproval
        | CommandState::Queued
        | CommandState::Dispatched
        | CommandState::Running
        | CommandState::Verifying
        | CommandState::Failed
        | CommandState::Refused
        | CommandState::Rejected
        | CommandState::Expired => Ok(false),
    }
}

fn stands_by_another(tx: &mut Tx<'_>, command: &Command) -> Result<bool, Error> {
    let row = endpoint::get(tx, command.tenant_id, command.endpoint_id)?;
    let isolation = row.and_then(|row| row.isolation);
    Ok(isolation.is_some_and(|isolation| !isolation.contains(&command.id.to_string())))
}
