//! `POST /me/password`.

use axum::extract::State;
use http::StatusCode;
use quell_store::{audit, person, session};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::JsonUpTo;
use crate::api::route::{Route, permit};
use crate::api::secret::Secret;
use crate::auth::{Caller, Permission, password};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::SelfManage, routes!(change_password))
}

/// The password that there is, and the one to come.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    /// The present one.
    #[schema(value_type = String, format = Password)]
    old: Secret,
    /// The new one: 12 to 128 characters, and none that is guessed first.
    #[schema(value_type = String, format = Password)]
    new: Secret,
}

/// Change your password
///
/// All your other sessions end.
#[utoipa::path(post, path = "/me/password", tag = "access", request_body = NewPassword,
    responses((status = 204)))]
pub(super) async fn change_password(
    State(app): State<App>,
    caller: Caller,
    JsonUpTo(asked): JsonUpTo<NewPassword, { 16 << 10 }>,
) -> Result<StatusCode, Problem> {
    let before = password::confirm(&app, &caller, &asked.old).await?;
    let text = password::check_new("new", &asked.new, &before.email, &before.name)?;
    let hash = app.hasher.hash(text).await?;
    let (_, this) = caller.person()?;
    let now = app.now();
    app.store
        .write(move |tx| {
            let person = person::get(tx, before.id)?.ok_or_else(|| Problem::not_found("person"))?;
            if person.password != before.password {
                return Err(Problem::new(Code::Conflict, "the password was changed meanwhile"));
            }
            person::set_password(tx, person.id, Some(&hash), now)?;
            let ended = session::revoke_others(tx, person.id, this, now)?;
            let detail = json!({ "sessions_ended": ended });
            let id = person.id.to_string();
            audit::append(tx, &caller.record(now, "person.change_password", "person", &id, &detail))?;
            Ok::<_, Problem>(())
        })
        .await?;
    app.access_changed();
    Ok(StatusCode::NO_CONTENT)
}
