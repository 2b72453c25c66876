//! `DELETE /kit-keys/{id}`.

use axum::extract::State;
use http::StatusCode;
use quell_store::{Error, audit, kit_key};
use serde_json::json;
use utoipa_axum::routes;

use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TrustManage, routes!(remove_kit_key))
}

/// Take kits of a key no more
///
/// No new task names a kit that it signed. Tasks that wait for approval cannot be approved any more; those that are approved and
/// not handed out yet end with `kit_key_lost`. What an endpoint has begun goes on: cancel it where it should not.
#[utoipa::path(delete, path = "/kit-keys/{id}", tag = "trust", params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub(super) async fn remove_kit_key(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let tenant = caller.tenant;
    let now = app.now();
    app.store
        .write(move |tx| {
            let row = kit_key::get(tx, tenant, id)?.ok_or(Error::NotFound("kit key"))?;
            kit_key::delete(tx, tenant, id)?;
            // Whose kits are taken no more is known from here alone.
            let detail = json!({ "name": row.name, "public": row.public });
            audit::append(tx, &caller.record(now, "kit_key.remove", "kit_key", &id.to_string(), &detail))
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
