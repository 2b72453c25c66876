//! One decision about a whole plan: of every step that waits for people, or of none.

use std::time::Duration;

use quell_store::{Micros, Tx, approval, audit, response_plan as rows, task};
use quell_wire::ApproverSignature;
use quell_wire::digest::hex;
use serde_json::json;
use uuid::Uuid;

use super::{PlanState, Stand, digest_of, stand, state_of, turn};
use crate::{
    Actor, Ballot, Change, Engine, Error, Inner, TaskState,
    actor::Deed,
    approval::{check_ballot, decide, state},
    settle::{self, Moved, Step},
    state::Event,
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
    /// Records the decision of a person on every step of a plan that waits for people. Where nobody is asked any more, the
    /// first step may begin; after a rejection no step does that has not.
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
        let (state, told, moved, rings) = self
            .write(move |tx| {
                tx.serialise(tenant, plan)?;
                let now = inner.clock.now();
                let row = rows::get(tx, tenant, plan)?.ok_or(Error::NotFound("response plan"))?;
                let steps = stand(tx, tenant, plan)?;
                if row.digest != ballot.digest || digest_of(&steps) != row.digest {
                    return Err(Error::Digest);
                }
                let Voted { told, mut moved } = vote(tx, &inner, &actor, &steps, &ballot)?;
                if told.is_empty() && moved.is_empty() {
                    if state_of(&steps)? != PlanState::PendingApproval {
                        return Err(Error::State("decided about already".to_owned()));
                    }
                } else {
                    if !ballot.approve {
                        moved.extend(end_waiting(tx, (tenant, plan), now)?);
                    }
                    let verb = if ballot.approve { "plan.approve" } else { "plan.reject" };
                    let detail =
                        json!({ "digest": hex(&row.digest), "steps": told.len(), "note": ballot.note });
                    let deed = Deed { verb, kind: "response_plan", object: plan, outcome: "ok", detail };
                    audit::append(tx, &actor.record(&inner.ids, tenant, now, deed))?;
                }
                let steps = stand(tx, tenant, plan)?;
                Ok((state_of(&steps)?, told, moved, turn::release(tx, &steps)?))
            })
            .await?;
        for (task, task_state, request) in told {
            self.inner.changes.tell(Change::task(tenant, task, task_state));
            self.inner.changes.tell(Change::Approval { tenant, task, state: request });
        }
        self.announce(moved);
        for endpoint in rings {
            self.inner.bell.ring(tenant, endpoint);
        }
        Ok(state)
    }
}

/// What a person's decision did, step by step.
#[derive(Default)]
struct Voted {
    /// Tasks about which it is new, with the states of task and request.
    told: Vec<(Uuid, TaskState, &'static str)>,
    moved: Vec<Moved>,
}

/// Records it with every step that waits for people.
fn vote(
    tx: &mut Tx<'_>,
    inner: &Inner,
    actor: &Actor,
    steps: &[Stand],
    ballot: &PlanBallot,
) -> Result<Voted, Error> {
    let now = inner.clock.now();
    let mut voted = Voted::default();
    for (number, step) in steps.iter().enumerate() {
        let (tenant, id) = (step.task.tenant_id, step.task.id);
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
        let (decided, moved) =
            decide(tx, actor, (tenant, id), &one, now, record).map_err(|error| error.of_step(number))?;
        if decided.is_new {
            voted.told.push((id, decided.task_state, decided.state));
        }
        voted.moved.extend(moved);
    }
    Ok(voted)
}

/// Somebody declined the plan: of its steps, those that have not begun end with it, whoever was asked about them.
fn end_waiting(tx: &mut Tx<'_>, (tenant, plan): (Uuid, Uuid), now: Micros) -> Result<Vec<Moved>, Error> {
    let waits = |step: &Stand| {
        [TaskState::PendingApproval, TaskState::Queued].iter().any(|state| state.as_str() == step.task.state)
    };
    let mut moved = Vec::new();
    for step in stand(tx, tenant, plan)?.iter().filter(|step| waits(step)) {
        task::cancel(tx, tenant, step.task.id, now)?;
        moved.extend(settle::every_open(tx, &step.task, now, |_| {
            Some(Step::because(
                Event::CancelAsked,
                "plan_rejected",
                "somebody who may decide declined its plan",
            ))
        })?);
    }
    Ok(moved)
}
