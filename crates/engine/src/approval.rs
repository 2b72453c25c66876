//! Who must agree before a task is carried out, and what happens when they do or do not.

use quell_catalog::Spec;
use quell_store::{audit, task};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Actor, Change, Engine, Error, TaskState,
    actor::Deed,
    settle::{self, Step},
    state::Event,
};

/// What a policy is asked about.
#[derive(Debug)]
pub struct Proposal<'a> {
    /// Whose.
    pub tenant: Uuid,
    /// What.
    pub spec: &'a Spec,
    /// By whom.
    pub requester: &'a Actor,
    /// On how many targets.
    pub targets: usize,
}

/// What a policy answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Carry it out.
    Auto,
    /// People decide.
    People,
    /// Nobody may.
    Refused {
        /// A stable code.
        code: String,
        /// For people.
        message: String,
    },
}

/// Decides who must agree.
pub trait ApprovalPolicy: Send + Sync {
    /// Decides.
    fn decide(&self, proposal: &Proposal<'_>) -> Decision;
}

/// Everything is carried out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Auto;

impl ApprovalPolicy for Auto {
    fn decide(&self, _: &Proposal<'_>) -> Decision {
        Decision::Auto
    }
}

impl Engine {
    /// Records the decision of people on a task that waits for it. `digest` is that of the intent which they saw.
    pub async fn decide(
        &self,
        actor: &Actor,
        tenant: Uuid,
        task: Uuid,
        digest: [u8; 32],
        approved: bool,
    ) -> Result<TaskState, Error> {
        let (inner, actor) = (self.inner.clone(), actor.clone());
        let (state, steps) = self
            .write(move |tx| {
                let now = inner.clock.now();
                let row = task::get(tx, tenant, task)?.ok_or(Error::NotFound("task"))?;
                if row.intent_digest != digest {
                    return Err(Error::Digest);
                }
                if row.state != TaskState::PendingApproval.as_str() {
                    return Err(Error::State(row.state));
                }
                let event = if approved { Event::Approved } else { Event::Rejected };
                let steps = settle::every_open(tx, &row, now, |_| Some(Step::of(event)))?;
                if approved && !task::approved(tx, tenant, task)? {
                    return Err(Error::Raced);
                }
                let verb = if approved { "task.approve" } else { "task.reject" };
                let deed = Deed { verb, kind: "task", object: task, outcome: "ok", detail: json!({}) };
                audit::append(tx, &actor.record(&inner.ids, tenant, now, deed))?;
                Ok((if approved { TaskState::Queued } else { TaskState::Rejected }, steps))
            })
            .await?;
        self.inner.changes.tell(Change::task(tenant, task, state));
        self.announce(steps);
        Ok(state)
    }
}
