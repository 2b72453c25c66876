//! What time alone brings about: expiry, giving up, planned undoing; and the poll behind the doorbell.

use std::sync::Arc;

use quell_store::{
    Page, Tx, audit,
    command::{self, Command},
    task::{self, Task},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Actor, CommandState, Engine, Error, Inner, Submitted,
    actor::Deed,
    approval, cancel,
    settle::{self, Moved, Step},
    state::Event,
    undo,
};

/// Commands that are ended in one transaction.
const GROUP: i64 = 200;
/// Endpoints that the poll rings at a time.
const RINGS: i64 = 20_000;
/// What the audit trail calls the work of a timer.
const REVERT: &str = "task.revert";

/// What a tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticked {
    /// Commands that ended because their time was over.
    pub ended: usize,
    /// Tasks whose planned undo was asked for.
    pub reverted: usize,
    /// Endpoints for which something waits.
    pub waiting: usize,
}

impl Engine {
    /// Does what is due. Called every second or so, and once at the start; several at a time do no harm.
    pub async fn tick(&self) -> Result<Ticked, Error> {
        let mut ticked = Ticked::default();
        loop {
            let inner = self.inner.clone();
            let moved = self.write(move |tx| end_due(tx, &inner)).await?;
            let count = moved.len();
            ticked.ended += count;
            self.announce(moved);
            if (count as i64) < GROUP {
                break;
            }
        }
        let now = self.inner.clock.now();
        if !self.read(move |tx| Ok(quell_store::approval::run_out(tx, now, 1)?.is_empty())).await? {
            let inner = self.inner.clone();
            let lost = self.write(move |tx| approval::run_out(tx, &inner)).await?;
            for step in lost.iter().filter(|step| !step.state.is_end()) {
                self.inner.bell.ring(step.tenant, step.endpoint);
            }
            self.announce(lost);
        }
        for (tenant, task) in self.read(move |tx| Ok(task::due_reverts(tx, now, GROUP)?)).await? {
            ticked.reverted += usize::from(self.revert(tenant, task).await?);
        }
        self.advance_plans().await?;
        let waiting = self.read(|tx| Ok(command::waiting(tx, RINGS)?)).await?;
        ticked.waiting = waiting.len();
        for (tenant, endpoint) in waiting {
            self.inner.bell.ring(tenant, endpoint);
        }
        Ok(ticked)
    }

    /// Carries a planned undo out. `false` when it was put off or turned out to be needless.
    async fn revert(&self, tenant: Uuid, task: Uuid) -> Result<bool, Error> {
        let inner = self.inner.clone();
        let (moved, made) = self
            .write(move |tx| {
                let Some(row) = task::get(tx, tenant, task)? else { return Ok((Vec::new(), None)) };
                revert(tx, &inner, &row)
            })
            .await?;
        // What was handed over and is still open is asked to stop.
        for step in moved.iter().filter(|moved| !moved.state.is_end()) {
            self.inner.bell.ring(step.tenant, step.endpoint);
        }
        self.announce(moved);
        if let Some((submitted, endpoints)) = &made {
            self.announce_task(tenant, submitted, endpoints);
        }
        Ok(made.is_some())
    }
}

fn end_due(tx: &mut Tx<'_>, inner: &Inner) -> Result<Vec<Moved>, Error> {
    let now = inner.clock.now();
    let mut moved = Vec::new();
    for row in command::due(tx, now, GROUP)? {
        let task = task::get(tx, row.tenant_id, row.task_id)?.ok_or(Error::Corrupt("task of a command"))?;
        let step = overdue(&row)?;
        let Some(step_moved) = settle::apply(tx, &task, &row, &step, now)? else {
            return Err(Error::Corrupt("command state"));
        };
        let detail = json!({ "task": task.id, "reason_code": step.reason_code });
        let outcome = step_moved.state.as_str();
        let deed = Deed { verb: "command.deadline", kind: "command", object: row.id, outcome, detail };
        audit::append(tx, &Actor::system().record(&inner.ids, row.tenant_id, now, deed))?;
        moved.push(step_moved);
    }
    Ok(moved)
}

fn overdue(row: &Command) -> Result<Step, Error> {
    let (code, message) = match settle::state_of(row)? {
        CommandState::PendingApproval => ("not_approved", "nobody decided in time"),
        CommandState::Queued => ("not_delivered", "the endpoint did not come for it in time"),
        CommandState::Dispatched => ("no_outcome", "it was handed to the agent, which said nothing since"),
        CommandState::Running => ("no_outcome", "the agent began it and said nothing since"),
        CommandState::Verifying => ("not_verified", "the evidence was not judged in time"),
        CommandState::Succeeded
        | CommandState::Failed
        | CommandState::Refused
        | CommandState::Rejected
        | CommandState::Canceled
        | CommandState::Expired
        | CommandState::Indeterminate => return Err(Error::Corrupt("command state")),
    };
    Ok(Step::because(Event::DeadlinePassed, code, message))
}

type Reverted = (Vec<Moved>, Option<(Submitted, Vec<Uuid>)>);

fn revert(tx: &mut Tx<'_>, inner: &Arc<Inner>, row: &Task) -> Result<Reverted, Error> {
    let now = inner.clock.now();
    let (tenant, id) = (row.tenant_id, row.id);
    if row.undone_by.is_some() {
        task::plan_revert(tx, tenant, id, None)?;
        return Ok((Vec::new(), None));
    }
    if row.open_count > 0 {
        // What has not begun must not begin any more; what runs is asked to stop and is waited for.
        if task::cancel(tx, tenant, id, now)? {
            put_off(tx, inner, row, json!({ "open": row.open_count }))?;
        }
        let moved = settle::every_open(tx, row, now, |command| {
            let state = CommandState::parse(&command.state)?;
            cancel::if_not_given(state, "reverted", "its time to take effect is over")
                .or_else(|| Some(Step::of(Event::CancelAsked)))
        })?;
        task::plan_revert(tx, tenant, id, Some(now.saturating_add(undo::SOON)))?;
        return Ok((moved, None));
    }
    match undo::create(tx, inner, &Actor::system(), row, "planned when it was asked for (revert_after)", None)
    {
        Ok((created, _)) => Ok((Vec::new(), Some((created.submitted, created.endpoints)))),
        Err(error @ (Error::Store(_) | Error::Raced | Error::Entropy | Error::Corrupt(_))) => Err(error),
        // The same undo may be under way, or the endpoints incapable for a while: look again later.
        Err(Error::Targets(problems)) => {
            task::plan_revert(tx, tenant, id, Some(undo::again_at(row, now)))?;
            put_off(
                tx,
                inner,
                row,
                json!({ "count": problems.len(), "passed_over": undo::named(&problems) }),
            )?;
            Ok((Vec::new(), None))
        }
        Err(error) => {
            task::plan_revert(tx, tenant, id, None)?;
            note(tx, inner, row, error.code(), json!({ "message": error.to_string() }))?;
            Ok((Vec::new(), None))
        }
    }
}

/// Says that a timer waits, once for all its looks in a row.
fn put_off(tx: &mut Tx<'_>, inner: &Inner, row: &Task, detail: Value) -> Result<(), Error> {
    const OUTCOME: &str = "put_off";
    let filter = audit::Filter { object_id: Some(row.id.to_string()), ..audit::Filter::default() };
    let last = audit::list(tx, row.tenant_id, &filter, Page { after: None, limit: 1 })?.rows;
    if last.first().is_some_and(|record| record.verb == REVERT && record.outcome == OUTCOME) {
        return Ok(());
    }
    note(tx, inner, row, OUTCOME, detail)
}

fn note(tx: &mut Tx<'_>, inner: &Inner, row: &Task, outcome: &str, detail: Value) -> Result<(), Error> {
    let deed = Deed { verb: REVERT, kind: "task", object: row.id, outcome, detail };
    Ok(audit::append(tx, &Actor::system().record(&inner.ids, row.tenant_id, inner.clock.now(), deed))?)
}
