//! The one place where a command changes state: the table says where to, and the task is counted along.

use quell_store::{
    Micros, Tx, audit,
    command::{self, Command},
    task::{self, Task},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Actor, CommandState, Engine, Error, TaskState,
    actor::Deed,
    approval,
    change::Change,
    hold::Isolation,
    ids,
    state::{Event, next},
    undo,
};

/// An event (or two: a report and its verdict), and what is recorded with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    pub(crate) events: Vec<Event>,
    pub(crate) reason_code: Option<String>,
    pub(crate) message: Option<String>,
    /// When the engine stops waiting in the new state.
    pub(crate) deadline_at: Option<Micros>,
    pub(crate) started_at: Option<Micros>,
    pub(crate) report: Option<Report>,
}

/// What came with a service's outcome.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    pub(crate) outcome: Option<String>,
    pub(crate) signed: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) evidence: Option<String>,
}

impl Step {
    pub(crate) fn of(event: Event) -> Self {
        Self { events: vec![event], ..Self::default() }
    }

    pub(crate) fn because(event: Event, code: &str, message: &str) -> Self {
        Self { reason_code: Some(code.to_owned()), message: Some(message.to_owned()), ..Self::of(event) }
    }
}

/// A command that changed state, to be told after the commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moved {
    pub(crate) tenant: Uuid,
    pub(crate) task: Uuid,
    pub(crate) command: Uuid,
    pub(crate) endpoint: Uuid,
    pub(crate) state: CommandState,
    /// The state that its task took by this.
    pub(crate) task_state: Option<TaskState>,
    /// The state that the request for approval took by this.
    pub(crate) request: Option<&'static str>,
    /// Whether its endpoint may now be handed something.
    pub(crate) rings: bool,
    /// The response plan whose step its task is.
    pub(crate) plan: Option<Uuid>,
}

/// The state of a stored command.
pub(crate) fn state_of(command: &Command) -> Result<CommandState, Error> {
    CommandState::parse(&command.state).ok_or(Error::Corrupt("command state"))
}

/// Applies a step to a command. `None` when its events cannot happen in the state that the command is in.
pub(crate) fn apply(
    tx: &mut Tx<'_>,
    task: &Task,
    command: &Command,
    step: &Step,
    now: Micros,
) -> Result<Option<Moved>, Error> {
    let from = state_of(command)?;
    let Some(to) = step.events.iter().try_fold(from, |state, event| next(state, *event)) else {
        return Ok(None);
    };
    let (tenant, id) = (command.tenant_id, command.id);
    let change = change(command, to, step, now);
    if !command::transition(tx, tenant, id, from.as_str(), &change)? {
        return Err(Error::Raced);
    }
    let mut request = None;
    let task_state = match to.end() {
        Some(end) => {
            let (state, settled) = count_end(tx, task, end, now)?;
            request = settled;
            state
        }
        // Read in this transaction: what runs by now does not go back to waiting.
        None if from == CommandState::Queued
            && task.state == TaskState::Queued.as_str()
            && task::running(tx, tenant, task.id)? =>
        {
            Some(TaskState::Running)
        }
        None => None,
    };
    if let (Some(after), None) = (task.revert_after, task.revert_at)
        && undo::is_to_be_taken_back(tx, task, command, to, step)?
    {
        task::plan_revert(tx, tenant, task.id, Some(now.saturating_add(after)))?;
    }
    Isolation::keep(tx, task, command, to, step.report.is_some(), now)?;
    let endpoint = command.endpoint_id;
    // The end of one command lets the next of its exclusion group begin.
    let rings = to == CommandState::Queued || (to.is_end() && command::is_waiting(tx, tenant, endpoint)?);
    let (task, plan) = (task.id, task.plan_id);
    Ok(Some(Moved { tenant, task, command: id, endpoint, state: to, task_state, request, rings, plan }))
}

fn change<'a>(command: &Command, to: CommandState, step: &'a Step, now: Micros) -> command::Change<'a> {
    let leased = step.events.contains(&Event::Leased);
    let report = step.report.as_ref();
    command::Change {
        to: to.as_str(),
        reason_code: step.reason_code.as_deref(),
        message: step.message.as_deref(),
        attempt: leased,
        dispatched_at: (leased && command.dispatched_at.is_none()).then_some(now),
        started_at: step.started_at,
        outcome_at: report.map(|_| now),
        ended_at: to.is_end().then_some(now),
        deadline_at: step.deadline_at,
        outcome: report.and_then(|report| report.outcome.as_deref()),
        outcome_signed: report.map(|report| report.signed.as_slice()),
        outcome_signature: report.map(|report| report.signature.as_slice()),
        evidence: report.and_then(|report| report.evidence.as_deref()),
    }
}

/// Counts the end of a command; when this was its last, the state of the task, and of the request that ended with it.
fn count_end(
    tx: &mut Tx<'_>,
    task: &Task,
    end: TaskState,
    now: Micros,
) -> Result<(Option<TaskState>, Option<&'static str>), Error> {
    let tenant = task.tenant_id;
    let tally = task::tally(tx, tenant, task.id, end == TaskState::Succeeded, end.rank())?;
    if tally.open_count > 0 {
        return Ok((None, None));
    }
    let state = TaskState::of_rank(tally.worst).ok_or(Error::Corrupt("task rank"))?;
    let partial = state != TaskState::Succeeded && tally.succeeded_count > 0;
    task::finish(tx, tenant, task.id, state.as_str(), partial.then_some("partial"), now)?;
    undo::ended(tx, task, state, now)?;
    let request = approval::ended(tx, task, state, now)?;
    if task.approval != "none" || state != TaskState::Succeeded {
        note_end(tx, task, state, &tally, now)?;
    }
    Ok((Some(state), request))
}

/// A record of its own for the end that somebody waits for: of what was asked about, and of what did not go well. The ends
/// of its commands are recorded in any case.
fn note_end(
    tx: &mut Tx<'_>,
    task: &Task,
    state: TaskState,
    tally: &task::Tally,
    now: Micros,
) -> Result<(), Error> {
    let detail = json!({
        "action": task.action,
        "requester": task.requester_name,
        "requester_kind": task.requester_kind,
        "requester_id": task.requester_id,
        "approval": task.approval,
        "targets": tally.target_count,
        "succeeded": tally.succeeded_count,
        "undo_of": task.undo_of,
    });
    let deed = Deed { verb: "task.end", kind: "task", object: task.id, outcome: state.as_str(), detail };
    let record = Actor::system().record_as(ids::of(now), task.tenant_id, now, deed);
    Ok(audit::append(tx, &record)?)
}

/// Applies to each open command of a task the step that `choose` gives for it.
pub(crate) fn every_open(
    tx: &mut Tx<'_>,
    task: &Task,
    now: Micros,
    choose: impl Fn(&Command) -> Option<Step>,
) -> Result<Vec<Moved>, Error> {
    const PAGE: i64 = 500;
    let mut moved = Vec::new();
    let mut after = -1;
    loop {
        let page = command::of_task(tx, task.tenant_id, task.id, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(moved) };
        after = last.leaf_index;
        for command in page.iter().filter(|command| command.ended_at.is_none()) {
            if let Some(step) = choose(command) {
                moved.extend(apply(tx, task, command, &step, now)?);
            }
        }
    }
}

impl Engine {
    /// Tells what was committed: to watchers, and to the sessions whose endpoints may now be handed more.
    pub(crate) fn announce(&self, moved: Vec<Moved>) {
        for Moved { tenant, task, command, endpoint, state, task_state, request, rings, plan } in moved {
            if state.is_end() {
                self.inner.progress.close(tenant, command);
            }
            self.inner.changes.tell(Change::command(tenant, task, command, endpoint, state));
            if let Some(state) = task_state {
                self.inner.changes.tell(Change::task(tenant, task, state));
            }
            if let Some(state) = request {
                self.inner.changes.tell(Change::Approval { tenant, task, state });
            }
            if rings {
                self.inner.bell.ring(tenant, endpoint);
            }
            if let (Some(plan), Some(state)) = (plan, task_state)
                && state.is_end()
            {
                self.advance_soon(tenant, plan);
            }
        }
    }
}
