//! `GET /sso/providers/{id}`.

use axum::extract::State;
use quell_store::identity_provider;
use utoipa_axum::routes;

use super::Provider;
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::SsoRead, routes!(show_provider))
}

/// An identity provider
#[utoipa::path(get, path = "/sso/providers/{id}", tag = "access", params(("id" = Uuid, Path)),
    responses((status = 200, body = Provider)))]
pub(super) async fn show_provider(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Provider>, Problem> {
    let row = app.store.read(move |tx| identity_provider::get(tx, caller.tenant, id)).await?;
    let row = row.ok_or_else(|| Problem::not_found("identity provider"))?;
    Ok(Json(Provider::of(&app, row)?))
}
