//! `DELETE /api-keys/{id}`.

use axum::extract::State;
use http::StatusCode;
use quell_store::{api_key, audit};
use utoipa_axum::routes;

use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::KeyManage, routes!(revoke_api_key))
}

/// Revoke an API key
///
/// Its live streams end with it. A key can revoke itself.
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "access", params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub(super) async fn revoke_api_key(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let now = app.now();
    let record = caller.record(now, "api_key.revoke", "api_key", &id.to_string(), &serde_json::json!({}));
    app.store
        .write(move |tx| {
            api_key::revoke(tx, caller.tenant, id, now)?;
            audit::append(tx, &record)
        })
        .await?;
    app.access_changed();
    Ok(StatusCode::NO_CONTENT)
}
