//! `GET /scripts/{name}/versions/{version}`.

use axum::extract::{Path, State};
use quell_store::{Error, script};
use utoipa_axum::routes;

use super::ScriptVersion;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::ScriptRead, routes!(show_script_version))
}

/// One version of a script with its body
#[utoipa::path(get, path = "/scripts/{name}/versions/{version}", tag = "library",
    params(("name" = String, Path), ("version" = i64, Path)),
    responses((status = 200, body = ScriptVersion)))]
pub(super) async fn show_script_version(
    State(app): State<App>,
    caller: Caller,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<ScriptVersion>, Problem> {
    let number: i64 = version.parse().map_err(|_| Problem::not_found("version"))?;
    app.store
        .read(move |tx| {
            let row = script::by_name(tx, caller.tenant, &name)?.ok_or(Error::NotFound("script"))?;
            let version =
                script::version(tx, caller.tenant, row.id, number)?.ok_or(Error::NotFound("version"))?;
            Ok::<_, Error>(Json(ScriptVersion::of(&name, version, true)))
        })
        .await
        .map_err(Problem::from)
}
