//! What the end of a step means for the rest of its plan. Worked out from the rows alone, so that whoever looks, and however
//! often, brings about the same.

use quell_store::{Tx, audit, response_plan as rows, task};
use serde_json::json;
use uuid::Uuid;

use super::{OnFailure, Stand, stand, state_of};
use crate::{
    Actor, Engine, Error, Inner, TaskState,
    actor::Deed,
    settle::{self, Moved, Step},
    state::Event,
    targets,
};

/// Plans that are looked at in one round.
const MOST: i64 = 1000;

/// What a look at a plan did, to be told after the commit.
#[derive(Default)]
struct Advanced {
    moved: Vec<Moved>,
    /// Endpoints that may be handed the next step.
    rings: Vec<Uuid>,
}

impl Engine {
    /// Looks at every plan that has not ended: calls off what a failed step stops, rings for the step whose turn it is,
    /// notes ends. How many there are.
    pub async fn advance_plans(&self) -> Result<usize, Error> {
        let open = self.read(|tx| Ok(rows::open(tx, MOST)?)).await?;
        for (tenant, plan) in &open {
            self.advance_or_tell(*tenant, *plan).await;
        }
        Ok(open.len())
    }

    /// A step ended. Should the look fail, the next tick looks again.
    pub(crate) fn advance_soon(&self, tenant: Uuid, plan: Uuid) {
        let engine = self.clone();
        tokio::spawn(async move { engine.advance_or_tell(tenant, plan).await });
    }

    /// One plan that cannot be looked at keeps nothing else from its turn.
    async fn advance_or_tell(&self, tenant: Uuid, plan: Uuid) {
        if let Err(error) = self.advance_plan(tenant, plan).await {
            tracing::warn!(error = &error as &dyn std::error::Error, plan.id = %plan, "a plan waits for the next look");
        }
    }

    async fn advance_plan(&self, tenant: Uuid, plan: Uuid) -> Result<(), Error> {
        // Most looks find nothing to write, and a reader costs no flush.
        let (is_due, rings) = self.read(move |tx| look(tx, tenant, plan)).await?;
        for endpoint in rings {
            self.inner.bell.ring(tenant, endpoint);
        }
        if !is_due {
            return Ok(());
        }
        let inner = self.inner.clone();
        let Advanced { moved, rings } = self.write(move |tx| advance(tx, &inner, tenant, plan)).await?;
        self.announce_canceled(moved);
        for endpoint in rings {
            self.inner.bell.ring(tenant, endpoint);
        }
        Ok(())
    }
}

/// Whether there is something to write; and whom to ring.
fn look(tx: &mut Tx<'_>, tenant: Uuid, plan: Uuid) -> Result<(bool, Vec<Uuid>), Error> {
    if rows::get(tx, tenant, plan)?.is_none_or(|row| row.ended_at.is_some()) {
        return Ok((false, Vec::new()));
    }
    let steps = stand(tx, tenant, plan)?;
    let is_due = steps.iter().all(Stand::is_over) || !barred(&steps).is_empty();
    Ok((is_due, turn(tx, &steps)?))
}

/// Open steps that will never begin, with what keeps each from it.
fn barred(steps: &[Stand]) -> Vec<(&Stand, &Stand)> {
    let open = steps
        .iter()
        .enumerate()
        .filter(|(_, step)| !step.is_over() && step.task.cancel_requested_at.is_none());
    open.filter_map(|(number, step)| Some((step, step.barred_by(&steps[..number])?))).collect()
}

/// The endpoints of the step whose turn it is, where it waits for them.
fn turn(tx: &mut Tx<'_>, steps: &[Stand]) -> Result<Vec<Uuid>, Error> {
    let next = steps.iter().find(|step| !step.is_over());
    let Some(step) = next.filter(|step| step.task.state == TaskState::Queued.as_str()) else {
        return Ok(Vec::new());
    };
    Ok(targets::of_task(tx, &step.task)?.into_iter().map(|endpoint| endpoint.id).collect())
}

fn advance(tx: &mut Tx<'_>, inner: &Inner, tenant: Uuid, plan: Uuid) -> Result<Advanced, Error> {
    tx.serialise(tenant, plan)?;
    let mut advanced = Advanced::default();
    let Some(row) = rows::get(tx, tenant, plan)?.filter(|row| row.ended_at.is_none()) else {
        return Ok(advanced);
    };
    let now = inner.clock.now();
    loop {
        let steps = stand(tx, tenant, plan)?;
        let off = barred(&steps);
        // One after the other: what is called off may bar those that need it.
        let Some((step, by)) = off.first() else {
            if steps.iter().all(Stand::is_over) {
                if rows::end(tx, tenant, plan, now)? {
                    let state = state_of(&steps)?.as_str();
                    let detail = json!({ "steps": steps.len(), "incident": row.incident_id });
                    note(tx, inner, &row, "plan.end", state, detail)?;
                }
            } else {
                advanced.rings = turn(tx, &steps)?;
            }
            return Ok(advanced);
        };
        if by.on_failure == OnFailure::Stop && rows::stop(tx, tenant, plan, by.row.step)? {
            let detail = json!({ "step": by.row.step + 1, "task": by.task.id });
            note(tx, inner, &row, "plan.stop", &by.task.state, detail)?;
        }
        let message = format!("step {} of its plan ended {}", by.row.step + 1, by.task.state);
        task::cancel(tx, tenant, step.task.id, now)?;
        advanced.moved.extend(settle::every_open(tx, &step.task, now, |_| {
            Some(Step::because(Event::CancelAsked, "plan_stopped", &message))
        })?);
    }
}

fn note(
    tx: &mut Tx<'_>,
    inner: &Inner,
    plan: &rows::Plan,
    verb: &'static str,
    outcome: &str,
    detail: serde_json::Value,
) -> Result<(), Error> {
    let deed = Deed { verb, kind: "response_plan", object: plan.id, outcome, detail };
    let record = Actor::system().record(&inner.ids, plan.tenant_id, inner.clock.now(), deed);
    Ok(audit::append(tx, &record)?)
}
