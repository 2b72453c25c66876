//! Taking a task back: another task, made from what the outcomes say was done.

use std::{sync::Arc, time::Duration};

use quell_catalog::{Undo, is_clean_text};
use quell_store::{
    Micros, Tx, audit,
    command::Command,
    task::{self, Task},
};
use quell_wire::digest::sha256;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Actor, CommandState, Engine, Error, Inner, Problem, Submitted, Targets, TaskState,
    actor::Deed,
    hold::{Deeds, Hold, Isolation},
    plan::{self, Created, Draft},
    settle::Step,
    submit::Origin,
};

/// How long an undo waits for its endpoints: longer than most, since what it takes back lasts until then.
const EXPIRES_IN: Duration = Duration::from_hours(7 * 24);
/// The shortest and the longest wait of a timer before it tries again, microseconds.
pub(crate) const SOON: Micros = 15_000_000;
const LATE: Micros = 900_000_000;
/// Endpoints that one audit record names.
const NAMED: usize = 100;

/// An undo that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undoing {
    /// The task that undoes.
    pub submitted: Submitted,
    /// The endpoints on which something is left that it does not take back, and why.
    pub passed_over: Vec<Problem>,
}

impl Engine {
    /// Asks for the way back of a task, on those of its targets where it did something, where that is still its own and
    /// where it can be taken back now. What is left may be undone again once this undo ended.
    ///
    /// # Errors
    /// [`Error::NoUndo`] where there is nothing to take back or no way to, [`Error::Targets`] where none of it can be
    /// taken back now, [`Error::Undone`] where another task does it already, [`Error::State`] while commands are open
    /// (cancel them first).
    pub async fn undo(
        &self,
        actor: &Actor,
        tenant: Uuid,
        task: Uuid,
        reason: &str,
    ) -> Result<Undoing, Error> {
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.len() > 2000 || !is_clean_text(&reason) {
            return Err(Error::request("reason", "must be 1 to 2000 bytes without control characters"));
        }
        let (inner, actor) = (self.inner.clone(), actor.clone());
        let (created, passed_over) = self
            .write(move |tx| {
                let row = task::get(tx, tenant, task)?.ok_or(Error::NotFound("task"))?;
                create(tx, &inner, &actor, &row, &reason, None)
            })
            .await?;
        self.announce_task(tenant, &created.submitted, &created.endpoints);
        Ok(Undoing { submitted: created.submitted, passed_over })
    }
}

/// Writes the task that undoes this one where that can be done now; a step of `plan`, where it is one.
pub(crate) fn create(
    tx: &mut Tx<'_>,
    inner: &Arc<Inner>,
    actor: &Actor,
    row: &Task,
    reason: &str,
    plan: Option<Uuid>,
) -> Result<(Created, Vec<Problem>), Error> {
    if let Some(by) = row.undone_by {
        return Err(Error::Undone(by));
    }
    if row.open_count > 0 {
        return Err(Error::State(format!("{}: {} of its commands are open", row.state, row.open_count)));
    }
    let (undo, Survey { endpoints, passed_over, .. }) = survey(tx, row)?;
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
        plan,
        origin: row.incident_id.map(|incident| Origin { incident, activity: row.activity.clone() }),
    };
    let created = plan::create(tx, inner, actor, &draft)?;
    let by = created.submitted.task_id;
    if !task::undone(tx, row.tenant_id, row.id, by)? {
        return Err(Error::Raced);
    }
    if !passed_over.is_empty() {
        let detail = json!({ "by": by, "count": passed_over.len(), "passed_over": named(&passed_over) });
        let deed = Deed { verb: "task.undo", kind: "task", object: row.id, outcome: "passed_over", detail };
        audit::append(tx, &actor.record(&inner.ids, row.tenant_id, inner.clock.now(), deed))?;
    }
    Ok((created, passed_over))
}

/// What an audit record says of the endpoints that are left as they are.
pub(crate) fn named(problems: &[Problem]) -> Vec<Value> {
    let named = problems.iter().take(NAMED);
    named.map(|Problem { endpoint, code, message }| json!([endpoint, code, message])).collect()
}

/// What a task still holds, endpoint by endpoint.
#[derive(Default)]
struct Survey {
    undo: Option<Undo>,
    /// Where it is taken back.
    endpoints: Vec<Uuid>,
    /// Where something is left, and why.
    passed_over: Vec<Problem>,
    /// Whether time may change one of those reasons.
    waits: bool,
}

impl Survey {
    fn add(&mut self, command: &Command, hold: Hold) -> Result<(), Error> {
        match hold {
            Hold::Nothing => {}
            Hold::Back(undo) if self.undo.as_ref().is_none_or(|first| *first == undo) => {
                self.undo = Some(undo);
                self.endpoints.push(command.endpoint_id);
            }
            Hold::Back(_) => {
                return Err(Error::NoUndo(
                    "its targets need different ways back; undo them one by one".to_owned(),
                ));
            }
            Hold::NotNow(problem) => {
                self.waits = true;
                self.passed_over.push(problem);
            }
            Hold::HeldBy(problem) | Hold::Gone(problem) => self.passed_over.push(problem),
        }
        Ok(())
    }
}

/// The way back, and where to go it.
fn survey(tx: &mut Tx<'_>, row: &Task) -> Result<(Undo, Survey), Error> {
    let deeds = Deeds::of(row)?;
    let mut found = Survey::default();
    deeds.each(tx, |tx, command| {
        let hold = deeds.hold(tx, command)?;
        found.add(command, hold)?;
        Ok(true)
    })?;
    match found.undo.take() {
        Some(undo) => Ok((undo, found)),
        None if found.waits => Err(Error::Targets(found.passed_over)),
        None => Err(Error::NoUndo(match found.passed_over.split_first() {
            None => format!("{} left nothing to take back", deeds.kind.id()),
            Some((first, [])) => first.message.clone(),
            Some((first, more)) => format!("{}; the like on {} more", first.message, more.len()),
        })),
    }
}

/// An undo ended. What it did not take back may be undone by another one, and will be where a timer was set.
pub(crate) fn ended(tx: &mut Tx<'_>, undo: &Task, state: TaskState, now: Micros) -> Result<(), Error> {
    let Some(original) = undo.undo_of else { return Ok(()) };
    let (tenant, id) = (undo.tenant_id, undo.id);
    let row = task::get(tx, tenant, original)?.ok_or(Error::Corrupt("task that is undone"))?;
    // Counted first: most undos take back all that there was.
    if state == TaskState::Succeeded
        && (undo.target_count == row.target_count || !Deeds::of(&row)?.any_left(tx)?)
    {
        return Ok(());
    }
    if !task::reopen_undo(tx, tenant, original, id)? || row.revert_after.is_none() {
        return Ok(());
    }
    // Whoever calls off what the timer did wants the effect to stay.
    let undo = task::get(tx, tenant, id)?.ok_or(Error::Corrupt("task that undoes"))?;
    let is_declined = undo.cancel_requested_at.is_some() || state == TaskState::Rejected;
    if !(is_declined && undo.requester_kind == Actor::system().kind) {
        task::plan_revert(tx, tenant, original, Some(again_at(&row, now)))?;
    }
    Ok(())
}

/// When a timer looks again: soon, then after waits that double; never before its time.
pub(crate) fn again_at(row: &Task, now: Micros) -> Micros {
    let due = row.ended_at.unwrap_or(now).saturating_add(row.revert_after.unwrap_or(0));
    let wait = now.saturating_sub(due).clamp(SOON, LATE);
    now.saturating_add(wait).max(due)
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
        let began = command.started_at.is_some() || step.started_at.is_some();
        let outcome = step.report.as_ref().and_then(|report| report.outcome.as_deref());
        Ok(Deeds::of(task)?.way_back(to, began, outcome).is_some())
    };
    match to {
        CommandState::Succeeded => Ok(true),
        CommandState::Indeterminate => may_stand(),
        // What stands already by another command was not this one's to end.
        CommandState::Canceled => Ok(may_stand()? && Isolation::is_by(tx, command)? != Some(false)),
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
