//! `POST /tasks/{id}/undo`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_engine::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::TaskWithCommands;
use super::submit::{location, made};
use crate::api::body::{JsonBytes, created};
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskSubmit, routes!(undo_task))
}

/// Why a task is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUndo {
    /// Why; people read it.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// The task that undoes, and what it leaves.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Undoing {
    #[serde(flatten)]
    task: TaskWithCommands,
    /// Endpoints on which something is left that this task does not take back.
    passed_over: Vec<PassedOver>,
}

/// Why an endpoint stays as it is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PassedOver {
    /// Which.
    #[schema(format = Uuid)]
    endpoint: String,
    /// Stable code.
    code: &'static str,
    /// The same for people.
    message: String,
}

impl PassedOver {
    /// Of what the engine says.
    pub fn of(target: quell_engine::Problem) -> Self {
        Self { endpoint: target.endpoint.to_string(), code: target.code, message: target.message }
    }
}

/// Undo a task
///
/// Makes another task, of the action that is the way back, on those targets where the first one did something.
#[utoipa::path(post, path = "/tasks/{id}/undo", tag = "tasks", params(("id" = Uuid, Path)), request_body = NewUndo,
    responses((status = 201, body = Undoing)))]
pub(super) async fn undo_task(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    JsonBytes(wanted, bytes): JsonBytes<NewUndo>,
) -> Result<Response, Problem> {
    let actor = caller.actor_with(&app, &headers, &bytes).await?;
    let undone = app.engine.undo(&actor, caller.tenant, id, &wanted.reason).await;
    let undoing = undone.map_err(|error| match error {
        Error::State(state) => Problem::new(Code::TaskOpen, format!("the task is {state}"))
            .hint("Cancel what is open, or wait for its end, then undo what was done."),
        other => other.into(),
    })?;
    let passed_over = undoing.passed_over.into_iter().map(PassedOver::of).collect();
    let made = made(&app, caller.tenant, undoing.submitted.task_id).await?;
    Ok(created(&location(&undoing.submitted), Undoing { task: made, passed_over }))
}
