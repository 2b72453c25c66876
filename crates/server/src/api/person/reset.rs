//! `POST /people/{id}/reset`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use quell_store::{audit, passkey, person, session, ticket};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::invite::Invited;
use super::{PersonView, managed, taken};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::ticket::{self as tickets, ShownTicket};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::PersonManage, routes!(reset_person))
}

/// What is to be taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    /// Whether the one-time codes go too: the phone is lost, and the recovery codes.
    #[serde(default)]
    totp: bool,
}

/// Give a person a new way in
///
/// Their password and passkeys are good no more and their sessions end. The answer shows, once, the link with which they set a new one;
/// earlier links are void.
#[utoipa::path(post, path = "/people/{id}/reset", tag = "access", params(("id" = Uuid, Path)), request_body = Reset,
    responses((status = 201, body = Invited)))]
pub(super) async fn reset_person(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<Reset>,
) -> Result<Response, Problem> {
    let (now, tenant) = (app.now(), caller.tenant);
    let made = tickets::make(tenant, id, ticket::RESET, now)?;
    let stored = made.row.clone();
    let view = app
        .store
        .write(move |tx| {
            let before = managed(tx, &caller, id)?;
            if before.state == "disabled" {
                return Err(Problem::new(Code::Conflict, "the account is disabled").hint("Enable it first."));
            }
            person::set_password(tx, id, None, now)?;
            if before.local_key.is_none() {
                // So far they came by single sign-on alone.
                person::set_local(tx, id, Some(&before.email_key)).map_err(taken)?;
            }
            if wanted.totp {
                person::set_totp(tx, id, None, None)?;
            }
            // One of them may have been added by whoever made this necessary.
            let passkeys = passkey::delete_all(tx, before.tenant_id, id)?;
            let ended = session::revoke_others(tx, id, Uuid::nil(), now)?;
            ticket::void(tx, id, now)?;
            ticket::insert(tx, &stored)?;
            let detail = json!({ "name": before.name, "email": before.email, "totp": wanted.totp, "passkeys_removed": passkeys, "sessions_ended": ended });
            audit::append(tx, &caller.record(now, "person.reset", "person", &id.to_string(), &detail))?;
            let after = person::get(tx, id)?.ok_or_else(|| Problem::not_found("person"))?;
            Ok::<_, Problem>(PersonView::read(tx, tenant, after)?)
        })
        .await?;
    app.access_changed();
    Ok((StatusCode::CREATED, Json(Invited::of(view, ShownTicket::of(&app, made)))).into_response())
}
