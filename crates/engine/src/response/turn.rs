//! Whose turn it is: asked before a step is let go, and again by the lease before its order goes out.

use quell_store::{Tx, approval, command, response_plan as rows, task::Task};
use uuid::Uuid;

use super::{Stand, digest_of, stand};
use crate::{Error, TaskState, approval::state, targets};

/// Whether an order of a task may be given out, as far as its plan goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Now.
    Come,
    /// Later, or never: a look at the plan will say.
    Waits,
    /// Never: its order, or what failures mean, is not what was asked for and decided about.
    Changed,
}

/// The turn of a task. That of a task which is no step has come.
pub(crate) fn turn(tx: &mut Tx<'_>, task: &Task) -> Result<Turn, Error> {
    let Some(id) = task.plan_id else { return Ok(Turn::Come) };
    let Some(plan) = rows::get(tx, task.tenant_id, id)? else { return Ok(Turn::Changed) };
    let steps = stand(tx, task.tenant_id, id)?;
    if digest_of(&steps) != plan.digest || steps.iter().all(|step| step.task.id != task.id) {
        return Ok(Turn::Changed);
    }
    let Some((number, next)) = next(&steps).filter(|(_, next)| next.task.id == task.id) else {
        return Ok(Turn::Waits);
    };
    let is_kept = next.barred_by(&steps[..number]).is_some() || declined(tx, &plan, &steps)?.is_some();
    Ok(if is_kept { Turn::Waits } else { Turn::Come })
}

/// The step that is next, with its place; none while people are asked about any of them.
pub(super) fn next(steps: &[Stand]) -> Option<(usize, &Stand)> {
    if steps.iter().any(|step| step.task.state == TaskState::PendingApproval.as_str()) {
        return None;
    }
    steps.iter().enumerate().find(|(_, step)| !step.is_over())
}

/// The step that is next, where nobody was told yet that its turn has come.
pub(super) fn to_release<'a>(tx: &mut Tx<'_>, steps: &'a [Stand]) -> Result<Option<&'a Stand>, Error> {
    let Some((_, next)) = next(steps) else { return Ok(None) };
    let is_held = command::is_held(tx, next.task.tenant_id, next.task.id)?;
    Ok(is_held.then_some(next))
}

/// Lets the step go that is next. The endpoints that may be handed it.
pub(super) fn release(tx: &mut Tx<'_>, steps: &[Stand]) -> Result<Vec<Uuid>, Error> {
    if let Some(step) = to_release(tx, steps)? {
        command::release(tx, step.task.tenant_id, step.task.id)?;
    }
    rings(tx, steps)
}

/// The endpoints of the step whose turn it is, where it waits for them.
pub(super) fn rings(tx: &mut Tx<'_>, steps: &[Stand]) -> Result<Vec<Uuid>, Error> {
    let queued = |step: &&Stand| step.task.state == TaskState::Queued.as_str();
    let Some(step) = next(steps).map(|(_, step)| step).filter(queued) else { return Ok(Vec::new()) };
    Ok(targets::of_task(tx, &step.task)?.into_iter().map(|endpoint| endpoint.id).collect())
}

/// The step to which people said no, or of which the approval was lost, while nothing of the plan had begun: nothing of it
/// begins after that. Once something has, each step stands by itself, and a failure means what the plan says.
pub(super) fn declined<'a>(
    tx: &mut Tx<'_>,
    plan: &rows::Plan,
    steps: &'a [Stand],
) -> Result<Option<&'a Stand>, Error> {
    for step in steps {
        if is_declined(tx, &step.task)? {
            return Ok((!rows::has_begun(tx, plan.tenant_id, plan.id)?).then_some(step));
        }
    }
    Ok(None)
}

fn is_declined(tx: &mut Tx<'_>, task: &Task) -> Result<bool, Error> {
    if task.approval == "none" {
        return Ok(false);
    }
    // An order that found its endpoint away in time is no word of people.
    let is_expired = task.state == TaskState::Expired.as_str()
        && approval::get(tx, task.tenant_id, task.id)?.is_some_and(|request| request.state == state::EXPIRED);
    Ok(is_expired || task.state == TaskState::Rejected.as_str())
}
