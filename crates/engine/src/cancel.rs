//! Calling a task off: what waits ends at once; what was handed over is asked to stop, and its outcome decides.

use quell_access::Permission;
use quell_store::{
    Tx, audit,
    task::{self, Task},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Actor, CommandState, Engine, Error, Inner,
    actor::Deed,
    settle::{self, Moved, Step},
    state::Event,
    targets,
};

/// What calling off did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canceled {
    /// Commands that ended now.
    pub ended: usize,
    /// Commands that were handed over and are asked to stop.
    pub asked: usize,
}

impl Engine {
    /// Calls a task off.
    ///
    /// # Errors
    /// [`Error::State`] when it has ended.
    pub async fn cancel(&self, actor: &Actor, tenant: Uuid, task: Uuid) -> Result<Canceled, Error> {
        let (inner, actor) = (self.inner.clone(), actor.clone());
        let moved = self
            .write(move |tx| {
                let row = task::get(tx, tenant, task)?.ok_or(Error::NotFound("task"))?;
                if row.ended_at.is_some() {
                    return Err(Error::State(row.state));
                }
                call_off(tx, &inner, &actor, &row)
            })
            .await?;
        let ended = moved.iter().filter(|moved| moved.state.is_end()).count();
        let canceled = Canceled { ended, asked: moved.len() - ended };
        self.announce_canceled(moved);
        Ok(canceled)
    }

    /// Tells what ended, and rings for what is asked to stop.
    pub(crate) fn announce_canceled(&self, moved: Vec<Moved>) {
        let (ended, asked): (Vec<_>, Vec<_>) = moved.into_iter().partition(|moved| moved.state.is_end());
        self.announce(ended);
        for asked in asked {
            self.inner.bell.ring(asked.tenant, asked.endpoint);
        }
    }
}

/// Calls a task off, if the actor may.
pub(crate) fn call_off(
    tx: &mut Tx<'_>,
    inner: &Inner,
    actor: &Actor,
    row: &Task,
) -> Result<Vec<Moved>, Error> {
    let (now, tenant, task) = (inner.clock.now(), row.tenant_id, row.id);
    if actor.is_bounded(Permission::TaskCancel, &row.action) {
        let endpoints = targets::of_task(tx, row)?;
        actor.may_reach(Permission::TaskCancel, &row.action, endpoints)?;
    }
    let first = task::cancel(tx, tenant, task, now)?;
    let moved = settle::every_open(tx, row, now, |_| {
        Some(Step::because(Event::CancelAsked, "canceled", "called off before it began"))
    })?;
    if first {
        let ended = moved.iter().filter(|moved| moved.state.is_end()).count();
        let detail = json!({ "ended": ended, "asked": moved.len() - ended });
        let deed = Deed { verb: "task.cancel", kind: "task", object: task, outcome: "ok", detail };
        audit::append(tx, &actor.record(&inner.ids, tenant, now, deed))?;
    }
    Ok(moved)
}

/// The step that calls off what was not handed over, and leaves the rest alone.
pub(crate) fn if_not_given(state: CommandState, code: &str, message: &str) -> Option<Step> {
    match state {
        CommandState::PendingApproval | CommandState::Queued => {
            Some(Step::because(Event::CancelAsked, code, message))
        }
        CommandState::Dispatched
        | CommandState::Running
        | CommandState::Verifying
        | CommandState::Succeeded
        | CommandState::Failed
        | CommandState::Refused
        | CommandState::Rejected
        | CommandState::Canceled
        | CommandState::Expired
        | CommandState::Indeterminate => None,
    }
}
