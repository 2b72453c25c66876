//! `GET /tasks/{id}`.

use axum::extract::State;
use utoipa_axum::routes;

use super::{TaskWithCommands, read_whole};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskRead, routes!(show_task))
}

/// One task with the first of its commands
#[utoipa::path(get, path = "/tasks/{id}", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = TaskWithCommands)))]
pub(super) async fn show_task(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<TaskWithCommands>, Problem> {
    let tenant = caller.tenant;
    let task = app.store.read(move |tx| read_whole(tx, tenant, id)).await?;
    Ok(Json(task.ok_or_else(|| Problem::not_found("task"))?.with_progress(&app, tenant)))
}
