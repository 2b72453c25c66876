//! Asking for a plan: all of its steps are accepted, or none.

use quell_catalog::is_clean_text;
use uuid::Uuid;

use super::keep::{Kept, NewPlan, NewStep, keep};
use super::{MOST_STEPS, OnFailure, PlanState, Repeat};
use crate::{
    Actor, Engine, Error, Submitted, TaskRequest,
    plan::{self, Draft},
    submit::Origin,
};

/// Bytes of a reason.
const REASON: usize = 2000;

/// One step, as it is asked for.
#[derive(Debug, Clone)]
pub struct StepRequest {
    /// Its task. Its tenant, its reason and its idempotency key are the plan's.
    pub task: TaskRequest,
    /// What becomes of all that follow when it does not succeed.
    pub on_failure: OnFailure,
    /// Earlier steps, from 0: it is called off where one of them did not succeed.
    pub needs: Vec<usize>,
    /// Why it is part of the plan; people read it.
    pub why: String,
    /// What it answers to.
    pub origin: Option<Origin>,
}

/// A plan, as it is asked for.
#[derive(Debug, Clone)]
pub struct PlanRequest {
    /// Whose things are acted on.
    pub tenant: Uuid,
    /// The incident that it answers.
    pub incident: Option<Uuid>,
    /// Why; people read it.
    pub reason: String,
    /// In the order in which they begin.
    pub steps: Vec<StepRequest>,
    /// A repeat by the same requester is answered with the first plan.
    pub repeat: Option<Repeat>,
}

/// A plan that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanSubmitted {
    /// Its id.
    pub plan_id: Uuid,
    /// `false` when the idempotency key had made it before.
    pub created: bool,
    /// What approvers bind.
    pub digest: [u8; 32],
    /// Its state.
    pub state: PlanState,
    /// Its tasks, in their order.
    pub tasks: Vec<Submitted>,
}

impl Engine {
    /// Accepts a plan: when this answers, all of its tasks are on the disk and will come to an end.
    ///
    /// # Errors
    /// Everything that makes one of the steps a request that cannot be carried out ([`Error::Step`] says which); then nothing
    /// was written.
    pub async fn submit_plan(&self, actor: &Actor, request: PlanRequest) -> Result<PlanSubmitted, Error> {
        let (tenant, incident, reason) = (request.tenant, request.incident, request.reason.trim().to_owned());
        if reason.is_empty() || reason.len() > REASON || !is_clean_text(&reason) {
            return Err(Error::request(
                "reason",
                format!("must be 1 to {REASON} bytes without control characters"),
            ));
        }
        if request.steps.is_empty() || request.steps.len() > MOST_STEPS {
            return Err(Error::request("steps", format!("must be 1 to {MOST_STEPS}")));
        }
        let repeat = request.repeat;
        if let Some(repeat) = &repeat {
            repeat.check()?;
        }
        let id = self.inner.ids.next();
        let mut drafts: Vec<Drafted> = Vec::with_capacity(request.steps.len());
        for (number, step) in request.steps.into_iter().enumerate() {
            drafts
                .push(self.step(id, number, (tenant, &reason), step).map_err(|error| error.of_step(number))?);
        }
        let (inner, actor) = (self.inner.clone(), actor.clone());
        let (submitted, endpoints) = self
            .write(move |tx| {
                if let Some(repeat) = &repeat
                    && let Some(found) = repeat.find(tx, &actor, tenant)?
                {
                    return Ok((found, Vec::new()));
                }
                let mut steps = Vec::with_capacity(drafts.len());
                for (number, step) in drafts.iter().enumerate() {
                    let made = plan::create(tx, &inner, &actor, &step.draft);
                    steps.push(NewStep {
                        created: made.map_err(|error| error.of_step(number))?,
                        on_failure: step.on_failure,
                        needs: step.needs.clone(),
                        why: step.why.clone(),
                    });
                }
                let repeat = repeat.as_ref();
                let made = NewPlan { id, tenant, incident, reason: &reason, undo_of: None, repeat, steps };
                let Kept { digest, state, tasks, endpoints } = keep(tx, &inner, &actor, made)?;
                Ok((PlanSubmitted { plan_id: id, created: true, digest, state, tasks }, endpoints))
            })
            .await?;
        for (task, endpoints) in submitted.tasks.iter().zip(&endpoints) {
            self.announce_task(tenant, task, endpoints);
        }
        Ok(submitted)
    }

    fn step(
        &self,
        plan: Uuid,
        number: usize,
        (tenant, reason): (Uuid, &str),
        step: StepRequest,
    ) -> Result<Drafted, Error> {
        let StepRequest { task, on_failure, needs, why, origin } = step;
        if why.len() > REASON || !is_clean_text(&why) {
            return Err(Error::request(
                "why",
                format!("must be up to {REASON} bytes without control characters"),
            ));
        }
        if needs.len() > MOST_STEPS || needs.iter().any(|needed| *needed >= number) {
            return Err(Error::request("needs", "must name earlier steps"));
        }
        let task = TaskRequest { tenant, reason: reason.to_owned(), idempotency_key: None, ..task };
        let draft = Draft { plan: Some(plan), origin, ..self.draft(task)? };
        let needs = needs.into_iter().map(|needed| needed as i64).collect();
        Ok(Drafted { draft, on_failure, needs, why })
    }
}

/// A step whose own fields were checked.
struct Drafted {
    draft: Draft,
    on_failure: OnFailure,
    needs: Vec<i64>,
    why: String,
}
