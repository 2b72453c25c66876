//! Response plans: ordered tasks under one approval, as the API shows them.

mod cancel;
mod decide;
mod list;
mod repeat;
mod show;
mod submit;
mod undo;

use quell_engine::{PlanState, TaskState};
use quell_store::{Tx, approval, command, endpoint, response_plan as rows, task};
use quell_wire::digest::hex;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::approval::{Reader, You};
use super::export::Cells;
use super::route::Route;
use super::task::{Requester, Task};
use super::time;

pub(crate) use repeat::{repeat, repeated};
pub(crate) use submit::answer;

/// The routes of response plans.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        submit::route(),
        list::route(),
        show::route(),
        decide::approve_route(),
        decide::reject_route(),
        cancel::route(),
        undo::route(),
    ]
}

/// Ordered tasks under one approval.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResponsePlan {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// SHA-256 of what approvers bind: the intents of all steps in their order, and what follows a failure of each.
    digest: String,
    /// Worked out from its tasks: `pending_approval`, `running`, `succeeded`, `partial` (it ended, and some steps did not
    /// succeed), `failed` (none did), `rejected` or `canceled`.
    state: &'static str,
    /// The incident that it answers.
    #[schema(format = Uuid)]
    incident: Option<String>,
    /// Why it was asked for.
    reason: String,
    /// Who asked.
    requester: Requester,
    /// When it was accepted.
    #[schema(format = DateTime)]
    created_at: String,
    /// When its last step ended.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// The number of the step whose end stopped it, from 1.
    stopped_by: Option<i64>,
    /// The plan that this one takes back.
    #[schema(format = Uuid)]
    undo_of: Option<String>,
    /// The plan that takes this one back.
    #[schema(format = Uuid)]
    undone_by: Option<String>,
    /// What it waits for; `null` once it ended.
    waits_for: Option<PlanWait>,
    /// In the order in which they begin.
    steps: Vec<PlanStep>,
}

/// What a plan waits for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanWait {
    /// The number of the step whose turn it is, from 1; of the first that people are asked about while any are.
    step: i64,
    /// Whether people are asked: until they agree, nothing of the plan begins.
    people: bool,
    /// Endpoints that the step's turn has come on, and that did not end it: at most five. All that follows waits for them.
    endpoints: Vec<PlanEndpoint>,
}

/// An endpoint that a plan waits for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanEndpoint {
    /// Which.
    #[schema(format = Uuid)]
    id: String,
    /// Its name now.
    name: String,
    /// How its command stands: `queued` where it was not handed it yet.
    state: String,
    /// When it was last heard of.
    #[schema(format = DateTime)]
    last_seen_at: Option<String>,
}

/// One step of a plan.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanStep {
    /// From 1.
    number: i64,
    /// Why it is part of the plan.
    why: String,
    /// `stop` or `continue`: what becomes of all that follow where it does not succeed.
    on_failure: String,
    /// Numbers of earlier steps: it is called off where one of them did not succeed.
    needs: Vec<i64>,
    /// Its task.
    task: Task,
}

/// A plan with what its reader can do about it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResponsePlanWhole {
    #[serde(flatten)]
    plan: ResponsePlan,
    /// What people were asked about its steps.
    approvals: Vec<StepApproval>,
}

/// What people were asked about a step.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepApproval {
    /// The step's task.
    #[schema(format = Uuid)]
    task: String,
    /// `pending`, `approved`, `auto`, `rejected`, `expired`, `revoked` or `canceled`.
    state: String,
    /// How many people must agree.
    quorum: i64,
    /// What you can do about it; absent for programs.
    you: Option<You>,
}

impl ResponsePlan {
    /// The view of a row.
    pub fn read(tx: &mut Tx<'_>, row: rows::Plan) -> Result<Self, quell_store::Error> {
        let mut steps = Vec::new();
        let (mut states, mut tasks) = (Vec::new(), Vec::new());
        for step in rows::steps(tx, row.tenant_id, row.id)? {
            let found =
                task::get(tx, row.tenant_id, step.task_id)?.ok_or(quell_store::Error::NotFound("task"))?;
            states.push(TaskState::parse(&found.state).unwrap_or(TaskState::Indeterminate));
            let (number, on_failure) = (step.step + 1, step.on_failure);
            let needs: Vec<i64> = serde_json::from_str(&step.needs).unwrap_or_default();
            let needs = needs.into_iter().map(|needed| needed + 1).collect();
            tasks.push((found.id, step.step));
            steps.push(PlanStep { number, why: step.why, on_failure, needs, task: Task::read(tx, found)? });
        }
        let waits_for = PlanWait::read(tx, row.tenant_id, &tasks, &states)?;
        let (kind, id, name) = (row.requester_kind, row.requester_id, row.requester_name);
        Ok(Self {
            id: row.id.to_string(),
            digest: hex(&row.digest),
            state: PlanState::of(&states).as_str(),
            incident: row.incident_id.map(|id| id.to_string()),
            reason: row.reason,
            requester: Requester::of(kind, id, name),
            created_at: time::text(row.created_at),
            ended_at: time::maybe(row.ended_at),
            stopped_by: row.stopped_by.map(|step| step + 1),
            undo_of: row.undo_of.map(|id| id.to_string()),
            undone_by: row.undone_by.map(|id| id.to_string()),
            waits_for,
            steps,
        })
    }
}

/// Endpoints that are named of those that a plan waits for.
const WAITED_FOR: usize = 5;

impl PlanWait {
    /// What the states of these steps (task, number) say of it.
    fn read(
        tx: &mut Tx<'_>,
        tenant: Uuid,
        steps: &[(Uuid, i64)],
        states: &[TaskState],
    ) -> Result<Option<Self>, quell_store::Error> {
        let asked = states.iter().position(|state| *state == TaskState::PendingApproval);
        let next = asked.or_else(|| states.iter().position(|state| !state.is_end()));
        let Some((task, step)) = next.and_then(|place| steps.get(place)) else { return Ok(None) };
        let mut wait = Self { step: step + 1, people: asked.is_some(), endpoints: Vec::new() };
        if wait.people {
            return Ok(Some(wait));
        }
        for open in command::open_targets(tx, tenant, *task, WAITED_FOR as i64)? {
            let found = endpoint::get(tx, tenant, open.endpoint_id)?;
            wait.endpoints.push(PlanEndpoint {
                id: open.endpoint_id.to_string(),
                name: open.name,
                state: open.state,
                last_seen_at: time::maybe(found.and_then(|found| found.last_seen_at)),
            });
        }
        Ok(Some(wait))
    }
}

/// Reads a plan for somebody; `None` when it is not this tenant's.
pub(crate) fn read_whole(
    tx: &mut Tx<'_>,
    reader: &Reader,
    (tenant, id): (Uuid, Uuid),
) -> Result<Option<ResponsePlanWhole>, quell_engine::Error> {
    let Some(row) = rows::get(tx, tenant, id)? else { return Ok(None) };
    let mut approvals = Vec::new();
    for step in rows::steps(tx, tenant, id)? {
        let Some(request) = approval::get(tx, tenant, step.task_id)? else { continue };
        let Some(task) = task::get(tx, tenant, step.task_id)? else { continue };
        approvals.push(StepApproval {
            task: step.task_id.to_string(),
            you: reader.you(tx, &request, &task)?,
            state: request.state,
            quorum: request.quorum,
        });
    }
    Ok(Some(ResponsePlanWhole { plan: ResponsePlan::read(tx, row)?, approvals }))
}

/// The plan as it is now, for the answer to who changed it.
pub(super) async fn shown(
    app: &crate::state::App,
    caller: &crate::auth::Caller,
    id: Uuid,
) -> Result<ResponsePlanWhole, crate::problem::Problem> {
    let (tenant, reader) = (caller.tenant, Reader::of(app, caller));
    let found = app.store.read(move |tx| read_whole(tx, &reader, (tenant, id))).await?;
    found.ok_or_else(|| crate::problem::Problem::not_found("response plan"))
}

impl Cells for ResponsePlan {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "state",
        "incident",
        "reason",
        "requester_name",
        "created_at",
        "ended_at",
        "actions",
        "undone_by",
    ];

    fn cells(&self) -> Vec<String> {
        let actions = self.steps.iter().map(|step| step.task.action());
        vec![
            self.id.clone(),
            self.state.to_owned(),
            self.incident.clone().unwrap_or_default(),
            self.reason.clone(),
            self.requester.name().to_owned(),
            self.created_at.clone(),
            self.ended_at.clone().unwrap_or_default(),
            actions.collect::<Vec<_>>().join(" "),
            self.undone_by.clone().unwrap_or_default(),
        ]
    }
}
