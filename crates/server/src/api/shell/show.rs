//! `GET /shells/{id}`.

use axum::extract::State;
use utoipa_axum::routes;

use super::Shell;
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskRead, routes!(show_shell))
}

/// One remote shell
#[utoipa::path(get, path = "/shells/{id}", tag = "shells", params(("id" = Uuid, Path)),
    responses((status = 200, body = Shell)))]
pub(super) async fn show_shell(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Shell>, Problem> {
    let row = super::row(&app, &caller, id).await?;
    let mut view = app.store.read(move |tx| Shell::read(tx, row)).await?;
    view.add_live(&app, caller.tenant);
    Ok(Json(view))
}
