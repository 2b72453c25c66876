//! `DELETE /enrolment-tokens/{id}`.

use axum::extract::State;
use http::StatusCode;
use quell_store::{audit, enrolment};
use utoipa_axum::routes;

use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TokenManage, routes!(revoke_enrolment_token))
}

/// Revoke an enrolment token
///
/// Endpoints that it enrolled stay.
#[utoipa::path(delete, path = "/enrolment-tokens/{id}", tag = "enrolment", params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub(super) async fn revoke_enrolment_token(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let now = app.now();
    let record = caller.record(
        now,
        "enrolment_token.revoke",
        "enrolment_token",
        &id.to_string(),
        &serde_json::json!({}),
    );
    app.store
        .write(move |tx| {
            enrolment::revoke(tx, caller.tenant, id, now)?;
            audit::append(tx, &record)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
