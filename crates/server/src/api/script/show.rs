//! `GET /scripts/{name}`.

use axum::extract::State;
use quell_store::{Error, script};
use utoipa_axum::routes;

use super::Script;
use crate::api::body::Json;
use crate::api::query::Name;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::ScriptRead, routes!(show_script))
}

/// One script with its versions
#[utoipa::path(get, path = "/scripts/{name}", tag = "library", params(("name" = String, Path)),
    responses((status = 200, body = Script)))]
pub(super) async fn show_script(
    State(app): State<App>,
    caller: Caller,
    Name(name): Name,
) -> Result<Json<Script>, Problem> {
    app.store
        .read(move |tx| {
            let row = script::by_name(tx, caller.tenant, &name)?.ok_or(Error::NotFound("script"))?;
            let versions = script::versions(tx, caller.tenant, row.id)?;
            Ok::<_, Error>(Json(Script::of(row, versions)))
        })
        .await
        .map_err(Problem::from)
}
