//! `GET /endpoints/{id}`.

use axum::extract::State;
use quell_store::endpoint;
use utoipa_axum::routes;

use super::Endpoint;
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::EndpointRead, routes!(show_endpoint))
}

/// One endpoint
#[utoipa::path(get, path = "/endpoints/{id}", tag = "endpoints", params(("id" = Uuid, Path)),
    responses((status = 200, body = Endpoint)))]
pub(super) async fn show_endpoint(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Endpoint>, Problem> {
    let row = app.store.read(move |tx| endpoint::get(tx, caller.tenant, id)).await?;
    let row = row.ok_or_else(|| Problem::not_found("endpoint"))?;
    Ok(Json(Endpoint::of(&app, row)))
}
