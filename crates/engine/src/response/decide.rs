//! One decision about a whole plan: of every step that waits for people, or of none.

use std::time::Duration;

use quell_store::{approval, audit, response_plan as rows};
use quell_wire::ApproverSignature;
use quell_wire::digest::hex;
use serde_json::json;
use uuid::Uuid;

use super::{PlanState, digest, stand, state_of};
use crate::{
    Actor, Ballot, Change, Engine, Error,
    actor::Deed,
    approval::{check_ballot, decide, state},
};

/// What a person decides about a plan.
#[derive(Debug, Clone)]
pub struct PlanBallot {
    /// The digest of the plan that they saw.
    pub digest: [u8; 32],
    /// Whether they agree.
    pub approve: bool,
    /// Why; may be empty.
    pub note: String,
    /// `api` or `console`.
    pub via: String,
    /// How long it is good; as in [`Ballot`].
    pub valid_for: Option<Duration>,
    /// Their own signatures over the intents of tasks, where endpoints ask for one.
    pub signatures: Vec<(Uuid, ApproverSignature)>,
}

impl Engine {
    /// Records the decision of a person on every step of a plan that waits for people.
    ///
    /// # Errors
    /// As [`Engine::decide`]: one step about which this person's decision would not count is enough to record none
    /// ([`Error::Step`] says which).
    pub async fn decide_plan(
        &self,
        actor: &Actor,
        tenant: Uuid,
        plan: Uuid,
        ballot: PlanBallot,
    ) -> Result<PlanState, Error> {
        check_ballot(&ballot.note, ballot.valid_for, ballot.signatures.iter().map(|(_, one)| one))?;
        let (inner, actor) = (self.inner.clone(), actor.clone());
        let (state, told, moved) = self
            .write(move |tx| {
                tx.serialise(tenant, plan)?;
                let now = inner.clock.now();
                let row = rows::get(tx, tenant, plan)?.ok_or(Error::NotFound("response plan"))?;
                let steps = stand(tx, tenant, plan)?;
                let stands =
                    steps.iter().map(|step| (&step.task.intent_digest, (step.on_failure, &step.needs[..])));
                if row.digest != ballot.digest || digest(stands) != row.digest {
                    return Err(Error::Digest);
                }
                let (mut told, mut moved) = (Vec::new(), Vec::new());
                for (number, step) in steps.iter().enumerate() {
                    let id = step.task.id;
                    let request = approval::get(tx, tenant, id)?;
                    if request.is_none_or(|request| request.state != state::PENDING) {
                        continue;
                    }
                    let signature = ballot.signatures.iter().find(|(task, _)| *task == id);
                    let one = Ballot {
                        digest: step.task.intent_digest,
                        approve: ballot.approve,
                        note: ballot.note.clone(),
                        via: ballot.via.clone(),
                        valid_for: ballot.valid_for,
                        signature: signature.map(|(_, signature)| signature.clone()),
                    };
                    let record = |deed: Deed<'_>| actor.record(&inner.ids, tenant, now, deed);
                    let (decided, steps) = decide(tx, &actor, (tenant, id), &one, now, record)
                        .map_err(|error| error.of_step(number))?;
                    if decided.is_new {
                        told.push((id, decided.task_state, decided.state));
                    }
                    moved.extend(steps);
                }
                if told.is_empty() && moved.is_empty() {
                    if state_of(&steps)? != PlanState::PendingApproval {
                        return Err(Error::State("decided about already".to_owned()));
                    }
                } else {
                    let verb = if ballot.approve { "plan.approve" } else { "plan.reject" };
                    let detail =
                        json!({ "digest": hex(&row.digest), "steps": told.len(), "note": ballot.note });
                    let deed = Deed { verb, kind: "response_plan", object: plan, outcome: "ok", detail };
                    audit::append(tx, &actor.record(&inner.ids, tenant, now, deed))?;
                }
                Ok((state_of(&stand(tx, tenant, plan)?)?, told, moved))
            })
            .await?;
        for (task, task_state, request) in told {
            self.inner.changes.tell(Change::task(tenant, task, task_state));
            self.inner.changes.tell(Change::Approval { tenant, task, state: request });
        }
        self.announce(moved);
        Ok(state)
    }
}
