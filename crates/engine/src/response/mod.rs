//! Response plans: ordered tasks that are asked for, approved, called off and taken back as one.
//!
//! A step is a task as any other: planned, signed, judged and recorded by the same code. The plan adds three things: its steps
//! are written in one transaction and decided about in one ([`decide`]); an order of a step is given out only when no step waits
//! for people, and those before it ended well, or may fail ([`turn`], asked by the lease too); and what one end means for the
//! rest is worked out from the rows ([`advance`]), as often as anybody likes.

mod advance;
mod cancel;
mod decide;
mod keep;
mod repeat;
mod submit;
mod turn;
mod undo;

use quell_store::{Tx, response_plan as rows, task::Task};
use quell_wire::digest::{Digest, sha256};
use uuid::Uuid;

use crate::{Error, TaskState};

pub use decide::PlanBallot;
pub use repeat::Repeat;
pub use submit::{PlanRequest, PlanSubmitted, StepRequest};
pub(crate) use turn::{Turn, turn};
pub use undo::PlanUndoing;

/// Steps of one plan.
pub const MOST_STEPS: usize = 200;

/// What becomes of the steps that follow one that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// They are called off.
    Stop,
    /// They begin nevertheless.
    Continue,
}

impl OnFailure {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Continue => "continue",
        }
    }

    /// From what is stored.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Stop, Self::Continue].into_iter().find(|one| one.as_str() == text)
    }
}

/// How a plan stands: worked out from its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanState {
    /// People are asked.
    PendingApproval,
    /// Some of it is under way, or waits for its turn.
    Running,
    /// Every step succeeded.
    Succeeded,
    /// It ended, and some steps did not succeed.
    Partial,
    /// It ended, and no step succeeded.
    Failed,
    /// Somebody who may decide declined.
    Rejected,
    /// It was called off before anything was done.
    Canceled,
}

impl PlanState {
    /// As the API says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PendingApproval => "pending_approval",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Canceled => "canceled",
        }
    }

    /// What the states of its tasks make of it.
    pub fn of(tasks: &[TaskState]) -> Self {
        let any = |wanted: TaskState| tasks.contains(&wanted);
        if any(TaskState::PendingApproval) {
            return Self::PendingApproval;
        }
        if any(TaskState::Queued) || any(TaskState::Running) {
            return Self::Running;
        }
        if tasks.iter().all(|state| *state == TaskState::Succeeded) {
            Self::Succeeded
        } else if any(TaskState::Succeeded) {
            Self::Partial
        } else if any(TaskState::Rejected) {
            Self::Rejected
        } else if tasks.iter().all(|state| *state == TaskState::Canceled) {
            Self::Canceled
        } else {
            Self::Failed
        }
    }
}

/// What approvers bind: the intents of all steps in their order, and what a failure of each means for the others.
pub(crate) fn digest<'a>(steps: impl Iterator<Item = (&'a [u8; 32], (OnFailure, &'a [i64]))>) -> Digest {
    let mut bytes = b"quell/response-plan/v1\0".to_vec();
    for (intent, (on_failure, needs)) in steps {
        bytes.extend_from_slice(intent);
        bytes.push(u8::from(on_failure == OnFailure::Continue));
        bytes.extend_from_slice(&(needs.len() as u64).to_be_bytes());
        bytes.extend(needs.iter().flat_map(|needed| needed.to_be_bytes()));
    }
    sha256(&[&bytes])
}

/// The digest of these steps as they are stored now.
pub(crate) fn digest_of(steps: &[Stand]) -> Digest {
    digest(steps.iter().map(|step| (&step.task.intent_digest, (step.on_failure, &step.needs[..]))))
}

/// A step as it stands.
pub(crate) struct Stand {
    pub(crate) row: rows::Step,
    pub(crate) on_failure: OnFailure,
    /// Numbers of earlier steps, one of which not to have succeeded is enough to call it off.
    pub(crate) needs: Vec<i64>,
    pub(crate) task: Task,
}

impl Stand {
    pub(crate) fn is_over(&self) -> bool {
        self.task.ended_at.is_some()
    }

    fn failed(&self) -> bool {
        self.is_over() && self.task.state != TaskState::Succeeded.as_str()
    }

    /// The first of those before it that keeps it from ever beginning.
    pub(crate) fn barred_by<'a>(&self, earlier: &'a [Self]) -> Option<&'a Self> {
        let bars = |before: &&Self| {
            before.failed() && (before.on_failure == OnFailure::Stop || self.needs.contains(&before.row.step))
        };
        earlier.iter().find(bars)
    }
}

/// Its steps with their tasks, in their order.
pub(crate) fn stand(tx: &mut Tx<'_>, tenant: Uuid, plan: Uuid) -> Result<Vec<Stand>, Error> {
    let steps = rows::steps(tx, tenant, plan)?;
    let mut all = Vec::with_capacity(steps.len());
    for row in steps {
        let task =
            quell_store::task::get(tx, tenant, row.task_id)?.ok_or(Error::Corrupt("task of a plan"))?;
        // What cannot be read was not written by the engine: the plan has another digest then, and is called off.
        let on_failure = OnFailure::parse(&row.on_failure).unwrap_or(OnFailure::Stop);
        let needs = serde_json::from_str(&row.needs).unwrap_or_else(|_| vec![i64::MIN]);
        all.push(Stand { row, on_failure, needs, task });
    }
    Ok(all)
}

/// The state of a plan with these steps.
pub(crate) fn state_of(steps: &[Stand]) -> Result<PlanState, Error> {
    let states = steps.iter().map(|step| TaskState::parse(&step.task.state));
    let states = states.collect::<Option<Vec<_>>>().ok_or(Error::Corrupt("task state"))?;
    Ok(PlanState::of(&states))
}
