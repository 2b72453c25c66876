//! A request for a plan that comes again: answered with the plan that the first one made.

use quell_catalog::is_clean_text;
use quell_store::{Tx, response_plan as rows};
use uuid::Uuid;

use super::{PlanSubmitted, stand, state_of};
use crate::{Actor, Engine, Error, Submitted, TaskState};

/// Bytes of a key.
const KEY: usize = 200;

/// By what a repeat is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The idempotency key; of this requester alone.
    pub key: String,
    /// What was asked for, so that another request under the same key is refused.
    pub request: [u8; 32],
}

impl Repeat {
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.key.is_empty() || self.key.len() > KEY || !is_clean_text(&self.key) {
            return Err(Error::request("idempotency_key", format!("must be 1 to {KEY} bytes of plain text")));
        }
        Ok(())
    }

    /// The plan that was made under the key.
    pub(super) fn find(
        &self,
        tx: &mut Tx<'_>,
        actor: &Actor,
        tenant: Uuid,
    ) -> Result<Option<PlanSubmitted>, Error> {
        let Some(plan) = rows::by_key(tx, tenant, (&actor.kind, &actor.id), &self.key)? else {
            return Ok(None);
        };
        if plan.key.is_none_or(|(_, request)| request != self.request) {
            return Err(Error::KeyReused(plan.id));
        }
        let steps = stand(tx, tenant, plan.id)?;
        let state = state_of(&steps)?;
        let mut tasks = Vec::with_capacity(steps.len());
        for step in steps {
            let state = TaskState::parse(&step.task.state).ok_or(Error::Corrupt("task state"))?;
            let (task_id, target_count) = (step.task.id, step.task.target_count);
            tasks.push(Submitted { task_id, created: false, target_count, state, request: None });
        }
        Ok(Some(PlanSubmitted { plan_id: plan.id, created: false, digest: plan.digest, state, tasks }))
    }
}

impl Engine {
    /// The plan that this requester asked for under this key. [`Engine::submit_plan`] looks too; this is for who works out
    /// the steps from what has changed since.
    ///
    /// # Errors
    /// [`Error::KeyReused`] where it was another request.
    pub async fn repeated_plan(
        &self,
        actor: &Actor,
        tenant: Uuid,
        repeat: &Repeat,
    ) -> Result<Option<PlanSubmitted>, Error> {
        let (actor, repeat) = (actor.clone(), repeat.clone());
        self.read(move |tx| repeat.find(tx, &actor, tenant)).await
    }
}
