//! `GET /artifacts/{id}`.

use axum::extract::State;
use quell_store::artifact;
use utoipa_axum::routes;

use super::Artifact;
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::ArtifactRead, routes!(show_artifact))
}

/// One artifact
#[utoipa::path(get, path = "/artifacts/{id}", tag = "artifacts", params(("id" = Uuid, Path)),
    responses((status = 200, body = Artifact)))]
pub(super) async fn show_artifact(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Artifact>, Problem> {
    let found = app
        .store
        .read(move |tx| artifact::get(tx, caller.tenant, id)?.map(|row| Artifact::read(tx, row)).transpose())
        .await?;
    Ok(Json(found.ok_or_else(|| Problem::not_found("artifact"))?))
}
