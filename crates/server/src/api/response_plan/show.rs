//! `GET /response-plans/{id}`.

use axum::extract::State;
use utoipa_axum::routes;

use super::{ResponsePlanWhole, shown};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskRead, routes!(show_plan))
}

/// A response plan
#[utoipa::path(get, path = "/response-plans/{id}", tag = "response plans", params(("id" = Uuid, Path)),
    responses((status = 200, body = ResponsePlanWhole)))]
pub(super) async fn show_plan(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ResponsePlanWhole>, Problem> {
    shown(&app, &caller, id).await.map(Json)
}
