//! `POST /commands/{id}/release-code`.

use axum::extract::State;
use quell_catalog::{ActionKind, Secret};
use quell_store::{Error, audit, command};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::SecretRead, routes!(read_release_code))
}

/// The code that ends one isolation at the endpoint itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReleaseCode {
    /// Works once, at the endpoint of this command only.
    release_code: String,
}

/// Read the release code of an isolation
///
/// A `POST`, since to see a secret is an act: it is recorded before the code leaves.
#[utoipa::path(post, path = "/commands/{id}/release-code", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = ReleaseCode)))]
pub(super) async fn read_release_code(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ReleaseCode>, Problem> {
    let tenant = caller.tenant;
    let detail = serde_json::json!({});
    let record = caller.record(app.now(), "release_code.read", "command", &id.to_string(), &detail);
    let row = app
        .store
        .write(move |tx| {
            let row = command::get(tx, tenant, id)?
                .filter(|row| {
                    ActionKind::from_id(&row.action)
                        .is_some_and(|kind| kind.spec().secrets.contains(&Secret::ReleaseCode))
                })
                .ok_or(Error::NotFound("release code"))?;
            caller.reaches_id(tx, Permission::SecretRead, row.endpoint_id)?;
            audit::append(tx, &record)?;
            Ok::<_, Problem>(row)
        })
        .await?;
    Ok(Json(ReleaseCode { release_code: app.secrets.derive(Secret::ReleaseCode, row.task_id, row.id) }))
}
