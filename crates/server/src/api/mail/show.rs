//! `GET /mail`.

use axum::extract::State;
use utoipa_axum::routes;

use super::MailSettings;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::notices::settings;
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::MailRead, routes!(get_mail))
}

/// How mail is sent
///
/// The relay's password is never shown.
#[utoipa::path(get, path = "/mail", tag = "notices", responses((status = 200, body = MailSettings)))]
pub(super) async fn get_mail(State(app): State<App>, caller: Caller) -> Result<Json<MailSettings>, Problem> {
    let mail = app.store.read(move |tx| settings::mail(tx, caller.tenant)).await?;
    Ok(Json(mail.map(MailSettings::of).unwrap_or_default()))
}
