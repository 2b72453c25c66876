//! Response plans: ordered tasks under one approval, as the API shows them.

mod cancel;
mod decide;
mod list;
mod show;
mod submit;
mod undo;

use quell_engine::{PlanState, TaskState};
use quell_store::{Tx, approval, response_plan as rows, task};
use quell_wire::digest::hex;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::approval::{Reader, You};
use super::export::Cells;
use super::route::Route;
use super::task::{Requester, Task};
use super::time;

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
    /// In the order in which they begin.
    steps: Vec<PlanStep>,
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
        let mut states = Vec::new();
        for step in rows::steps(tx, row.tenant_id, row.id)? {
            let found =
                task::get(tx, row.tenant_id, step.task_id)?.ok_or(quell_store::Error::NotFound("task"))?;
            states.push(TaskState::parse(&found.state).unwrap_or(TaskState::Indeterminate));
            let (number, on_failure) = (step.step + 1, step.on_failure);
            let needs: Vec<i64> = serde_json::from_str(&step.needs).unwrap_or_default();
            let needs = needs.into_iter().map(|needed| needed + 1).collect();
            steps.push(PlanStep { number, why: step.why, on_failure, needs, task: Task::read(tx, found)? });
        }
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
            steps,
        })
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
