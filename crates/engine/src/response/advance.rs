//! What the end of a step means for the rest of its plan. Worked out from the rows alone, so that whoever looks, and however
//! often, brings about the same.

use quell_store::{Tx, audit, response_plan as rows, task};
use serde_json::json;
use uuid::Uuid;

use super::{OnFailure, Stand, digest_of, stand, state_of, turn, undo};
use crate::{
    Actor, Engine, Error, Inner,
    actor::Deed,
    settle::{self, Moved, Step},
    state::Event,
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
    /// Looks at every plan that has not ended: calls off what a failed step stops, lets the next step go and rings for
    /// it, notes ends. How many there are.
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
    let Some(row) = rows::get(tx, tenant, plan)?.filter(|row| row.ended_at.is_none()) else {
        return Ok((false, Vec::new()));
    };
    let steps = stand(tx, tenant, plan)?;
    let all = Verdict::of(tx, &row, &steps)?;
    let is_off = (0..steps.len()).any(|number| off(&all, &steps, number).is_some());
    let is_due = is_off || steps.iter().all(Stand::is_over) || turn::to_release(tx, &steps)?.is_some();
    Ok((is_due, if is_due { Vec::new() } else { turn::rings(tx, &steps)? }))
}

/// What is true of all steps that have not begun.
enum Verdict {
    /// Each stands by itself.
    GoesOn,
    /// People said no before anything had begun: number and end of the step.
    Declined(i64, String),
    /// The rows are not what was asked for and decided about.
    Changed,
}

impl Verdict {
    fn of(tx: &mut Tx<'_>, plan: &rows::Plan, steps: &[Stand]) -> Result<Self, Error> {
        if digest_of(steps) != plan.digest {
            return Ok(Self::Changed);
        }
        let declined = turn::declined(tx, plan, steps)?;
        Ok(declined.map_or(Self::GoesOn, |step| Self::Declined(step.row.step, step.task.state.clone())))
    }
}

/// Why a step is called off.
struct Off {
    code: &'static str,
    message: String,
    /// Number and end of the step that stops all that follow.
    stopped_by: Option<(i64, String)>,
}

/// Why this open step will never begin; `None` where it may.
fn off(all: &Verdict, steps: &[Stand], number: usize) -> Option<Off> {
    let (earlier, rest) = steps.split_at(number);
    let step = rest.first().filter(|step| !step.is_over() && step.task.cancel_requested_at.is_none())?;
    match all {
        Verdict::Changed => Some(Off {
            code: "plan_changed",
            message: "its plan is not the one that was decided about".to_owned(),
            stopped_by: None,
        }),
        Verdict::Declined(by, state) => Some(Off {
            code: "plan_rejected",
            message: format!("step {} of its plan ended {state} before any of them began", by + 1),
            stopped_by: Some((*by, state.clone())),
        }),
        Verdict::GoesOn => step.barred_by(earlier).map(|by| Off {
            code: "plan_stopped",
            message: format!("step {} of its plan ended {}", by.row.step + 1, by.task.state),
            stopped_by: (by.on_failure == OnFailure::Stop).then(|| (by.row.step, by.task.state.clone())),
        }),
    }
}

fn advance(tx: &mut Tx<'_>, inner: &Inner, tenant: Uuid, plan: Uuid) -> Result<Advanced, Error> {
    tx.serialise(tenant, plan)?;
    let mut advanced = Advanced::default();
    let Some(row) = rows::get(tx, tenant, plan)?.filter(|row| row.ended_at.is_none()) else {
        return Ok(advanced);
    };
    let mut steps = stand(tx, tenant, plan)?;
    let all = Verdict::of(tx, &row, &steps)?;
    // In their order: what is called off may bar those behind it that need it.
    for number in 0..steps.len() {
        let Some(off) = off(&all, &steps, number) else { continue };
        advanced.moved.extend(call_off(tx, inner, &row, (&steps[number].task, off))?);
        let ended = task::get(tx, tenant, steps[number].task.id)?;
        steps[number].task = ended.ok_or(Error::Corrupt("task of a plan"))?;
    }
    if !steps.iter().all(Stand::is_over) {
        advanced.rings = turn::release(tx, &steps)?;
    } else if rows::end(tx, tenant, plan, inner.clock.now())? {
        let state = state_of(&steps)?;
        let detail = json!({ "steps": steps.len(), "incident": row.incident_id });
        note(tx, inner, &row, "plan.end", state.as_str(), detail)?;
        undo::ended(tx, &row, state)?;
    }
    Ok(advanced)
}

fn call_off(
    tx: &mut Tx<'_>,
    inner: &Inner,
    plan: &rows::Plan,
    (step, off): (&task::Task, Off),
) -> Result<Vec<Moved>, Error> {
    let (tenant, now) = (plan.tenant_id, inner.clock.now());
    if let Some((number, state)) = off.stopped_by
        && rows::stop(tx, tenant, plan.id, number)?
    {
        note(tx, inner, plan, "plan.stop", &state, json!({ "step": number + 1, "code": off.code }))?;
    }
    task::cancel(tx, tenant, step.id, now)?;
    settle::every_open(tx, step, now, |_| Some(Step::because(Event::CancelAsked, off.code, &off.message)))
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
