//! Taking a whole plan back: another plan, of the ways back of its steps, last step first.

use quell_catalog::is_clean_text;
use quell_store::{Tx, audit, response_plan as rows};
use quell_wire::digest::hex;
use serde_json::json;
use uuid::Uuid;

use super::keep::{Kept, NewPlan, NewStep, keep};
use super::{OnFailure, PlanState, Stand, stand};
use crate::{Actor, Engine, Error, Problem, Submitted, actor::Deed, hold::Deeds, undo};

/// A plan that takes another back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanUndoing {
    /// Its id.
    pub plan_id: Uuid,
    /// Its state.
    pub state: PlanState,
    /// Its tasks, in their order.
    pub tasks: Vec<Submitted>,
    /// Steps of which nothing is taken back: number and reason.
    pub left: Vec<(i64, String)>,
    /// Endpoints on which something is left that a step does not take back.
    pub passed_over: Vec<Problem>,
}

impl Engine {
    /// Asks for the way back of every step that has one. The plan that does it goes on where a step fails.
    ///
    /// # Errors
    /// [`Error::State`] while steps are open, [`Error::Undone`] where another plan does it already, [`Error::NoUndo`] where
    /// there is nothing to take back.
    pub async fn undo_plan(
        &self,
        actor: &Actor,
        tenant: Uuid,
        plan: Uuid,
        reason: &str,
    ) -> Result<PlanUndoing, Error> {
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.len() > 2000 || !is_clean_text(&reason) {
            return Err(Error::request("reason", "must be 1 to 2000 bytes without control characters"));
        }
        let (inner, actor) = (self.inner.clone(), actor.clone());
        let (undoing, endpoints) = self
            .write(move |tx| {
                tx.serialise(tenant, plan)?;
                let row = rows::get(tx, tenant, plan)?.ok_or(Error::NotFound("response plan"))?;
                if let Some(by) = row.undone_by {
                    return Err(Error::Undone(by));
                }
                let steps = stand(tx, tenant, plan)?;
                if !steps.iter().all(Stand::is_over) {
                    return Err(Error::State("open: some of its steps have not ended".to_owned()));
                }
                let id = inner.ids.next();
                let (mut made, mut left, mut passed_over) = (Vec::new(), Vec::new(), Vec::new());
                for Stand { row: step, task, .. } in steps.iter().rev() {
                    match undo::create(tx, &inner, &actor, task, &reason, Some(id)) {
                        Ok((one, passed)) => {
                            made.push(NewStep {
                                created: one,
                                on_failure: OnFailure::Continue,
                                needs: Vec::new(),
                                why: format!("takes back step {}", step.step + 1),
                            });
                            passed_over.extend(passed);
                        }
                        Err(error @ (Error::NoUndo(_) | Error::Undone(_) | Error::Targets(_))) => {
                            left.push((step.step, error.to_string()));
                        }
                        Err(error) => {
                            return Err(error.of_step(usize::try_from(step.step).unwrap_or_default()));
                        }
                    }
                }
                if made.is_empty() {
                    let why = left.iter().map(|(step, why)| format!("step {}: {why}", step + 1));
                    return Err(Error::NoUndo(why.collect::<Vec<_>>().join("; ")));
                }
                let (incident, undo_of) = (row.incident_id, Some(plan));
                let made =
                    NewPlan { id, tenant, incident, reason: &reason, undo_of, repeat: None, steps: made };
                let Kept { digest, state, tasks, endpoints } = keep(tx, &inner, &actor, made)?;
                if !rows::undone(tx, tenant, plan, id)? {
                    return Err(Error::Raced);
                }
                let detail = json!({
                    "by": id, "steps": tasks.len(), "left": left, "reason": reason, "digest": hex(&digest),
                });
                let deed =
                    Deed { verb: "plan.undo", kind: "response_plan", object: plan, outcome: "ok", detail };
                audit::append(tx, &actor.record(&inner.ids, tenant, inner.clock.now(), deed))?;
                Ok((PlanUndoing { plan_id: id, state, tasks, left, passed_over }, endpoints))
            })
            .await?;
        for (task, endpoints) in undoing.tasks.iter().zip(&endpoints) {
            self.announce_task(tenant, task, endpoints);
        }
        Ok(undoing)
    }
}

/// A plan that takes another back ended. What it left may be taken back by another one.
pub(super) fn ended(tx: &mut Tx<'_>, undo: &rows::Plan, state: PlanState) -> Result<(), Error> {
    let Some(original) = undo.undo_of else { return Ok(()) };
    if state != PlanState::Succeeded || any_left(tx, undo.tenant_id, original)? {
        rows::reopen_undo(tx, undo.tenant_id, original, undo.id)?;
    }
    Ok(())
}

/// Whether a step that nothing takes back holds something still.
fn any_left(tx: &mut Tx<'_>, tenant: Uuid, plan: Uuid) -> Result<bool, Error> {
    for step in stand(tx, tenant, plan)?.iter().filter(|step| step.task.undone_by.is_none()) {
        if Deeds::of(&step.task)?.any_left(tx)? {
            return Ok(true);
        }
    }
    Ok(false)
}
