//! `GET /commands/{id}`.

use axum::extract::State;
use quell_store::{Error, command};
use utoipa_axum::routes;

use super::Command;
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskRead, routes!(show_command))
}

/// One command
#[utoipa::path(get, path = "/commands/{id}", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = Command)))]
pub(super) async fn show_command(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Command>, Problem> {
    let tenant = caller.tenant;
    let mut view = app
        .store
        .read(move |tx| {
            let row = command::get(tx, tenant, id)?.ok_or(Error::NotFound("command"))?;
            let name = quell_engine::service::shown(tx, tenant, row.endpoint_id)?.unwrap_or_default();
            Ok::<_, Error>(Command::of(row, name))
        })
        .await?;
    view.add_progress(&app, tenant);
    Ok(Json(view))
}
