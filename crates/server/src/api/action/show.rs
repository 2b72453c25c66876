//! `GET /actions/{id}`.

use quell_catalog::ActionKind;
use utoipa_axum::routes;

use super::ActionWithSchemas;
use crate::api::body::Json;
use crate::api::query::Name;
use crate::api::route::{Route, permit};
use crate::auth::Permission;
use crate::problem::Problem;

pub(super) fn route() -> Route {
    permit(Permission::ActionRead, routes!(show_action))
}

/// One action with its schemas
#[utoipa::path(get, path = "/actions/{id}", tag = "catalogue",
    params(("id" = String, Path, description = "Action id, `endpoint.isolate`")),
    responses((status = 200, body = ActionWithSchemas)))]
pub(super) async fn show_action(Name(id): Name) -> Result<Json<ActionWithSchemas>, Problem> {
    let kind = ActionKind::from_id(&id).ok_or_else(|| Problem::not_found("action"))?;
    Ok(Json(ActionWithSchemas::of(kind)))
}
