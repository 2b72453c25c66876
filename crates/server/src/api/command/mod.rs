//! Commands, as the API shows them.

mod release_code;
mod show;

use quell_store::command;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::endpoint::stored_json;
use super::export::Cells;
use super::route::Route;
use super::time;
use crate::state::Inner;

/// The routes of commands.
pub(crate) fn routes() -> Vec<Route> {
    vec![show::route(), release_code::route()]
}

/// A task's part for one target.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Command {
    /// Its id, which is also the order's.
    #[schema(format = Uuid)]
    id: String,
    /// Of which task.
    #[schema(format = Uuid)]
    task_id: String,
    /// Its place among the task's targets, from 0.
    index: i64,
    /// What is done.
    action: String,
    /// Who carries it out.
    service: String,
    /// On which endpoint.
    #[schema(format = Uuid)]
    endpoint_id: String,
    /// That endpoint's name now.
    endpoint_name: String,
    /// `pending_approval`, `queued`, `dispatched`, `running`, `verifying`, then one of `succeeded`, `failed`,
    /// `refused`, `rejected`, `canceled`, `expired`, `indeterminate`.
    state: String,
    /// Why it is in this state.
    reason_code: Option<String>,
    /// The same for people.
    message: Option<String>,
    /// How many times it was handed to the service.
    attempts: i64,
    /// Not begun before.
    #[schema(format = DateTime)]
    not_before: String,
    /// Not begun after.
    #[schema(format = DateTime)]
    not_after: String,
    /// When it was first handed to the service.
    #[schema(format = DateTime)]
    dispatched_at: Option<String>,
    /// When the service began.
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When the outcome came.
    #[schema(format = DateTime)]
    outcome_at: Option<String>,
    /// When it ended.
    #[schema(format = DateTime)]
    ended_at: Option<String>,
    /// How far it is while it runs.
    #[schema(value_type = Option<Object>)]
    progress: Option<Value>,
    /// What the service reported, in the shape of the action's outcome schema.
    #[schema(value_type = Option<Object>)]
    outcome: Option<Value>,
    /// What proves it.
    evidence: Option<Value>,
}

impl Command {
    /// The view of a row.
    pub fn of(row: command::Command, endpoint_name: String) -> Self {
        Self {
            id: row.id.to_string(),
            task_id: row.task_id.to_string(),
            index: row.leaf_index,
            action: row.action,
            service: row.service,
            endpoint_id: row.endpoint_id.to_string(),
            endpoint_name,
            state: row.state,
            reason_code: row.reason_code,
            message: row.message,
            attempts: row.attempts,
            not_before: time::text(row.not_before),
            not_after: time::text(row.not_after),
            dispatched_at: time::maybe(row.dispatched_at),
            started_at: time::maybe(row.started_at),
            outcome_at: time::maybe(row.outcome_at),
            ended_at: time::maybe(row.ended_at),
            progress: row.progress.as_deref().map(stored_json),
            outcome: row.outcome.as_deref().map(stored_json),
            evidence: row.evidence.as_deref().map(stored_json),
        }
    }

    /// Adds how far it is, which only memory knows.
    pub fn add_progress(&mut self, app: &Inner, tenant: Uuid) {
        if self.ended_at.is_none()
            && let Ok(id) = self.id.parse()
            && let Some(progress) = app.engine.progress(tenant, id)
        {
            self.progress = serde_json::to_value(progress).ok();
        }
    }
}

impl Command {
    /// Leaves out what the service reported, which may be long.
    pub fn leave_report_out(&mut self) {
        self.outcome = None;
        self.evidence = None;
    }
}

impl Cells for Command {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "task_id",
        "index",
        "action",
        "endpoint_id",
        "endpoint_name",
        "state",
        "reason_code",
        "message",
        "attempts",
        "dispatched_at",
        "started_at",
        "ended_at",
        "outcome",
        "evidence",
    ];

    fn cells(&self) -> Vec<String> {
        let json = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
        vec![
            self.id.clone(),
            self.task_id.clone(),
            self.index.to_string(),
            self.action.clone(),
            self.endpoint_id.clone(),
            self.endpoint_name.clone(),
            self.state.clone(),
            self.reason_code.clone().unwrap_or_default(),
            self.message.clone().unwrap_or_default(),
            self.attempts.to_string(),
            self.dispatched_at.clone().unwrap_or_default(),
            self.started_at.clone().unwrap_or_default(),
            self.ended_at.clone().unwrap_or_default(),
            json(&self.outcome),
            json(&self.evidence),
        ]
    }
}
