//! `GET /actions`.

use quell_catalog::ActionKind;
use utoipa_axum::routes;

use super::Action;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::Permission;

pub(super) fn route() -> Route {
    permit(Permission::ActionRead, routes!(list_actions))
}

/// Every action of the catalogue
#[utoipa::path(get, path = "/actions", tag = "catalogue", responses((status = 200, body = Vec<Action>)))]
pub(super) async fn list_actions() -> Json<Vec<Action>> {
    Json(ActionKind::ALL.iter().copied().map(Action::of).collect())
}
