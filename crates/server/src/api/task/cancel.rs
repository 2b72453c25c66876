//! `POST /tasks/{id}/cancel`.

use axum::extract::State;
use quell_engine::Error;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskCancel, routes!(cancel_task))
}

/// What canceling did so far.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Canceled {
    /// Commands that were waiting and ended at once.
    ended: usize,
    /// Commands that endpoints hold: they are asked to stop, and their outcomes say what was done.
    asked: usize,
}

/// Cancel a task
///
/// What waits ends at once. What runs is asked to stop; how it ends, its outcome says.
#[utoipa::path(post, path = "/tasks/{id}/cancel", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = Canceled)))]
pub(super) async fn cancel_task(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Canceled>, Problem> {
    let canceled =
        app.engine.cancel(&caller.actor(), caller.tenant, id).await.map_err(|error| match error {
            Error::State(state) => Problem::new(Code::NotCancelable, format!("the task has ended: {state}"))
                .hint("To take its effect back, undo it."),
            other => other.into(),
        })?;
    Ok(Json(Canceled { ended: canceled.ended, asked: canceled.asked }))
}
