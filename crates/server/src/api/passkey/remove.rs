//! `DELETE /passkeys/{id}`.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use quell_store::{audit, passkey, person};
use serde_json::json;
use utoipa_axum::routes;

use super::add::present;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::SelfManage, routes!(remove_passkey))
}

/// Remove one of your passkeys
///
/// In a session that is older than five minutes it needs a confirmation (`POST /step-up`) of an empty body.
#[utoipa::path(delete, path = "/passkeys/{id}", tag = "access", params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub(super) async fn remove_passkey(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let (person, _) = caller.person()?;
    present(&app, &caller, &headers, b"").await?;
    let record = caller.record(app.now(), "passkey.remove", "passkey", &id.to_string(), &json!({}));
    app.store
        .write(move |tx| {
            let person = person::get(tx, person)?.ok_or(quell_store::Error::NotFound("person"))?;
            passkey::delete(tx, person.tenant_id, person.id, id)?;
            audit::append(tx, &record)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
