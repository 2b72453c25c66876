//! `PATCH /passkeys/{id}`.

use axum::extract::State;
use http::StatusCode;
use quell_store::{audit, passkey, person};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::api::text;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::SelfManage, routes!(rename_passkey))
}

/// A new name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasskeyName {
    /// What to call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// Rename one of your passkeys
#[utoipa::path(patch, path = "/passkeys/{id}", tag = "access", params(("id" = Uuid, Path)),
    request_body = PasskeyName, responses((status = 204)))]
pub(super) async fn rename_passkey(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<PasskeyName>,
) -> Result<StatusCode, Problem> {
    let (person, _) = caller.person()?;
    let name = text::checked("name", &wanted.name, 100)?;
    let record =
        caller.record(app.now(), "passkey.rename", "passkey", &id.to_string(), &json!({ "name": name }));
    app.store
        .write(move |tx| {
            let person = person::get(tx, person)?.ok_or(quell_store::Error::NotFound("person"))?;
            passkey::rename(tx, person.tenant_id, person.id, id, &name)?;
            audit::append(tx, &record)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
