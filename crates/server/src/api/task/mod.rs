//! Tasks, as the API shows them.

mod archive_password;
mod cancel;
mod commands;
mod intent;
mod list;
mod preview;
mod rows;
mod show;
mod submit;
mod undo;

use quell_catalog::ActionKind;
use quell_store::{Tx, command, incident, task};
use quell_wire::digest::hex;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

use super::command::Command;
use super::cursor::Page;
use super::endpoint::stored_json;
use super::export::Cells;
use super::route::Route;
use super::time;

pub(super) use preview::{TaskPreview, of_request as preview_of};
pub(super) use submit::{NewTargets, answer, idempotency_key, resolve};
pub(super) use undo::PassedOver;

/// Targets that a row of a list names.
const TARGETS: i64 = 3;

/// The routes of tasks.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        submit::route(),
        preview::route(),
        list::route(),
        show::route(),
        commands::route(),
        rows::route(),
        intent::route(),
        cancel::route(),
        undo::route(),
        archive_password::route(),
    ]
}

/// One request of an action on one or more targets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Task {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// What is done.
    #[schema(example = "endpoint.isolate")]
    action: String,
    /// The action's name for people.
    title: &'static str,
    /// The action's revision.
    revision: i64,
    /// Its parameters; values that are not to be seen are `***`.
    #[schema(value_type = Object)]
    params: Value,
    /// Derived from its commands, worst first: `pending_approval`, `queued`, `running`, then one of `succeeded`,
    /// `failed`, `refused`, `rejected`, `canceled`, `expired`, `indeterminate`.
    state: String,
    /// Why it is in this state.
    reason_code: Option<String>,
    /// Why it was asked for.
    reason: String,
    /// Who asked.
    requester: Requester,
    /// `api`, `cli`, `console` (or `console/` and the screen), by the header `Quell-Client` of the request; `timer`.
    created_from: String,
    /// When it was accepted.
    #[schema(format = DateTime)]
    created_at: String,
    /// After this no endpoint begins it.
    #[schema(format = DateTime)]
    expires_at: String,
    /// When its last command ended.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// When somebody asked to cancel it.
    #[schema(format = DateTime)]
    cancel_requested_at: Option<String>,
    /// Seconds after its effect that it undoes itself.
    revert_after_seconds: Option<i64>,
    /// When it undoes itself.
    #[schema(format = DateTime)]
    revert_at: Option<String>,
    /// The task that this one undoes.
    #[schema(format = Uuid)]
    undo_of: Option<String>,
    /// The task that undoes this one.
    #[schema(format = Uuid)]
    undone_by: Option<String>,
    /// How many targets it has.
    target_count: i64,
    /// The first of its targets, at most three; `GET /tasks/{id}/commands` has them all.
    targets: Vec<Target>,
    /// How many of them have not ended.
    open_count: i64,
    /// How many of them succeeded.
    succeeded_count: i64,
    /// SHA-256 of the intent: what approvals and orders bind, lower-case hex.
    intent_sha256: String,
    /// What was asked for before: `none`, `auto`, `people` or `break_glass`. `GET /approvals/{id}` has the request.
    approval: String,
    /// The incident that it was asked for from.
    incident: Option<IncidentOfTask>,
    /// The response plan whose step it is; people decide about the plan.
    #[schema(format = Uuid)]
    plan: Option<String>,
}

/// One of a task's targets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Target {
    /// Which endpoint.
    #[schema(format = Uuid)]
    id: String,
    /// Its name now.
    name: String,
    /// How the command there stands.
    state: String,
}

/// The incident that a task was asked for from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IncidentOfTask {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// What people call it.
    number: Option<i64>,
    /// The chain of the activity event that the task is about.
    #[schema(format = Uuid)]
    chain: Option<String>,
    /// The activity event.
    activity: Option<i64>,
}

impl IncidentOfTask {
    fn read(tx: &mut Tx<'_>, row: &task::Task) -> Result<Option<Self>, quell_store::Error> {
        let Some(id) = row.incident_id else { return Ok(None) };
        let number = incident::get(tx, row.tenant_id, id)?.map(|incident| incident.number);
        let (chain, activity) = row.activity.as_deref().and_then(|text| text.split_once('/')).unzip();
        Ok(Some(Self {
            id: id.to_string(),
            number,
            chain: chain.map(str::to_owned),
            activity: activity.and_then(|activity| activity.parse().ok()),
        }))
    }
}

/// Who asked for a task.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Requester {
    /// `api_key`, `user`, `automation` or `system`.
    kind: String,
    /// Which.
    id: String,
    /// Its name at that time.
    name: String,
}

impl Requester {
    /// Of what is stored.
    pub fn of(kind: String, id: String, name: String) -> Self {
        Self { kind, id, name }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A task with its commands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskWithCommands {
    #[serde(flatten)]
    task: Task,
    /// How many commands are in which state.
    states: BTreeMap<String, i64>,
    /// The first of its commands, in the order of its targets.
    commands: Page<Command>,
}

impl Task {
    /// What is done.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The view of a row, with the names of its first targets.
    pub fn read(tx: &mut Tx<'_>, row: task::Task) -> Result<Self, quell_store::Error> {
        let targets = command::targets(tx, row.tenant_id, row.id, TARGETS)?;
        let incident = IncidentOfTask::read(tx, &row)?;
        Ok(Self { incident, ..Self::of(row, targets) })
    }

    fn of(row: task::Task, targets: Vec<command::Target>) -> Self {
        let target = |target: command::Target| Target {
            id: target.endpoint_id.to_string(),
            name: target.name,
            state: target.state,
        };
        Self {
            title: ActionKind::from_id(&row.action).map_or("", |kind| kind.spec().title),
            targets: targets.into_iter().map(target).collect(),
            id: row.id.to_string(),
            action: row.action,
            revision: row.revision,
            params: stored_json(&row.params_public),
            state: row.state,
            reason_code: row.reason_code,
            reason: row.reason,
            requester: Requester { kind: row.requester_kind, id: row.requester_id, name: row.requester_name },
            created_from: row.created_from,
            created_at: time::text(row.created_at),
            expires_at: time::text(row.expires_at),
            ended_at: time::maybe(row.ended_at),
            cancel_requested_at: time::maybe(row.cancel_requested_at),
            revert_after_seconds: row.revert_after.map(|micros| micros / 1_000_000),
            revert_at: time::maybe(row.revert_at),
            undo_of: row.undo_of.map(|id| id.to_string()),
            undone_by: row.undone_by.map(|id| id.to_string()),
            target_count: row.target_count,
            open_count: row.open_count,
            succeeded_count: row.succeeded_count,
            intent_sha256: hex(&row.intent_digest),
            approval: row.approval,
            incident: None,
            plan: row.plan_id.map(|id| id.to_string()),
        }
    }
}

/// Reads a task with the first page of its commands; `None` when it is not this tenant's.
pub(crate) fn read_whole(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
) -> Result<Option<TaskWithCommands>, quell_store::Error> {
    let Some(row) = task::get(tx, tenant, id)? else { return Ok(None) };
    let states = command::counts(tx, tenant, id)?.into_iter().collect();
    let commands = commands::read(tx, tenant, id, -1, 50)?;
    Ok(Some(TaskWithCommands { task: Task::read(tx, row)?, states, commands }))
}

impl TaskWithCommands {
    /// Adds what only this process knows: how far running commands are.
    pub fn with_progress(mut self, app: &crate::state::Inner, tenant: Uuid) -> Self {
        for command in &mut self.commands.items {
            command.add_progress(app, tenant);
        }
        self
    }
}

impl Cells for Task {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "action",
        "state",
        "reason_code",
        "reason",
        "requester_kind",
        "requester_name",
        "created_at",
        "ended_at",
        "target_count",
        "targets",
        "open_count",
        "succeeded_count",
        "undo_of",
        "undone_by",
        "params",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.action.clone(),
            self.state.clone(),
            self.reason_code.clone().unwrap_or_default(),
            self.reason.clone(),
            self.requester.kind.clone(),
            self.requester.name.clone(),
            self.created_at.clone(),
            self.ended_at.clone().unwrap_or_default(),
            self.target_count.to_string(),
            self.targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(" "),
            self.open_count.to_string(),
            self.succeeded_count.to_string(),
            self.undo_of.clone().unwrap_or_default(),
            self.undone_by.clone().unwrap_or_default(),
            self.params.to_string(),
        ]
    }
}
