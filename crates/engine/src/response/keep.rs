//! Writing a plan down beside its tasks, whoever made them.

use quell_store::{
    Tx, audit, command,
    response_plan::{self as rows, Plan, Step},
    task,
};
use quell_wire::digest::{Digest, hex};
use serde_json::json;
use uuid::Uuid;

use super::{OnFailure, PlanState, Repeat, digest};
use crate::{Actor, Error, Inner, Submitted, actor::Deed, plan::Created};

/// A plan whose tasks were written.
pub(super) struct NewPlan<'a> {
    pub(super) id: Uuid,
    pub(super) tenant: Uuid,
    pub(super) incident: Option<Uuid>,
    pub(super) reason: &'a str,
    pub(super) undo_of: Option<Uuid>,
    pub(super) repeat: Option<&'a Repeat>,
    /// In their order.
    pub(super) steps: Vec<NewStep>,
}

/// A step of it.
pub(super) struct NewStep {
    pub(super) created: Created,
    pub(super) on_failure: OnFailure,
    pub(super) needs: Vec<i64>,
    pub(super) why: String,
}

/// A plan that was written.
pub(super) struct Kept {
    pub(super) digest: Digest,
    pub(super) state: PlanState,
    pub(super) tasks: Vec<Submitted>,
    /// Of each task, its endpoints.
    pub(super) endpoints: Vec<Vec<Uuid>>,
}

/// Writes plan, steps and audit record.
pub(super) fn keep(tx: &mut Tx<'_>, inner: &Inner, actor: &Actor, plan: NewPlan<'_>) -> Result<Kept, Error> {
    let NewPlan { id, tenant, incident, reason, undo_of, repeat, steps } = plan;
    let (mut intents, mut actions) = (Vec::with_capacity(steps.len()), Vec::with_capacity(steps.len()));
    for step in &steps {
        let row = task::get(tx, tenant, step.created.submitted.task_id)?;
        let row = row.ok_or(Error::Corrupt("task of a plan"))?;
        intents.push(row.intent_digest);
        actions.push(row.action);
    }
    let meanings = steps.iter().map(|step| (step.on_failure, step.needs.as_slice()));
    let digest = digest(intents.iter().zip(meanings));
    let now = inner.clock.now();
    let row = Plan {
        tenant_id: tenant,
        id,
        digest,
        incident_id: incident,
        reason: reason.to_owned(),
        requester_kind: actor.kind.clone(),
        requester_id: actor.id.clone(),
        requester_name: actor.name.clone(),
        created_at: now,
        ended_at: None,
        stopped_by: None,
        undo_of,
        undone_by: None,
        key: repeat.map(|repeat| (repeat.key.clone(), repeat.request)),
    };
    if !rows::insert(tx, &row)? {
        // Somebody used the idempotency key in the meantime; the next look finds that plan.
        return Err(Error::Raced);
    }
    for (one, step) in steps.iter().zip(0i64..) {
        let row = Step {
            step,
            task_id: one.created.submitted.task_id,
            on_failure: one.on_failure.as_str().to_owned(),
            needs: json!(one.needs).to_string(),
            why: one.why.clone(),
        };
        rows::insert_step(tx, tenant, id, &row)?;
    }
    let tasks: Vec<Submitted> = steps.iter().map(|step| step.created.submitted).collect();
    let states: Vec<_> = tasks.iter().map(|task| task.state).collect();
    let state = PlanState::of(&states);
    if state != PlanState::PendingApproval
        && let Some(first) = tasks.first()
    {
        command::release(tx, tenant, first.task_id)?;
    }
    let detail = json!({
        "actions": actions, "reason": reason, "incident": incident, "digest": hex(&digest), "state": state.as_str(),
        "undo_of": undo_of,
    });
    let deed = Deed { verb: "plan.submit", kind: "response_plan", object: id, outcome: "ok", detail };
    audit::append(tx, &actor.record(&inner.ids, tenant, now, deed))?;
    let endpoints = steps.into_iter().map(|step| step.created.endpoints).collect();
    Ok(Kept { digest, state, tasks, endpoints })
}
