//! `POST /step-up/passkey/begin` and `POST /step-up/passkey/finish`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use quell_store::passkey;
use quell_wire::digest::unhex;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use webauthn_rs::prelude::PublicKeyCredential;

use super::PasskeyAsked;
use super::add::mine;
use crate::api::body::{Json, JsonUpTo};
use crate::api::route::{Route, permit};
use crate::api::step_up::StepUpProof;
use crate::auth::passkey::{Ceremony, refused};
use crate::auth::{Caller, Permission, step_up};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn begin_route() -> Route {
    permit(Permission::SelfManage, routes!(begin_passkey_confirmation))
}

pub(super) fn finish_route() -> Route {
    permit(Permission::SelfManage, routes!(finish_passkey_confirmation))
}

/// What is to be confirmed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ToConfirm {
    /// SHA-256 of the exact body of the request that follows, hexadecimal.
    #[schema(min_length = 64, max_length = 64)]
    request: String,
}

/// Ask for a passkey to confirm the request that follows
#[utoipa::path(post, path = "/step-up/passkey/begin", tag = "access", request_body = ToConfirm,
    responses((status = 200, body = PasskeyAsked)))]
pub(super) async fn begin_passkey_confirmation(
    State(app): State<App>,
    caller: Caller,
    JsonUpTo(asked): JsonUpTo<ToConfirm, { 4 << 10 }>,
) -> Result<Json<PasskeyAsked>, Problem> {
    let request = unhex(&asked.request)
        .ok_or_else(|| Problem::bad_field("request", "must be a SHA-256, 64 hexadecimal digits"))?;
    let who = caller.person()?;
    let (_, keys) = mine(&app, &caller).await?;
    if keys.is_empty() {
        return Err(Problem::new(Code::Conflict, "the account has no passkey")
            .hint("Confirm with the password, or add a passkey."));
    }
    Ok(Json(PasskeyAsked::of(app.passkeys.step_up(who, request, &keys, app.now())?)))
}

/// An authenticator's answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasskeyConfirmation {
    /// Of the question.
    #[schema(max_length = 64)]
    ceremony: String,
    /// The `PublicKeyCredential`, as its `toJSON()` writes it.
    #[schema(value_type = Object)]
    credential: PublicKeyCredential,
}

/// Confirm the request that follows with a passkey
///
/// The proof is good for one request of this session with a body of the digest that was named, for a minute.
#[utoipa::path(post, path = "/step-up/passkey/finish", tag = "access", request_body = PasskeyConfirmation,
    responses((status = 201, body = StepUpProof)))]
pub(super) async fn finish_passkey_confirmation(
    State(app): State<App>,
    caller: Caller,
    JsonUpTo(answer): JsonUpTo<PasskeyConfirmation, { 64 << 10 }>,
) -> Result<Response, Problem> {
    let now = app.now();
    let Ceremony::StepUp { person, session, request, state } = app.passkeys.take(&answer.ceremony, now)?
    else {
        return Err(refused());
    };
    if caller.person()? != (person, session) {
        return Err(refused());
    }
    let id = answer.credential.get_credential_id().to_vec();
    let row = app.store.read(move |tx| passkey::by_credential(tx, &id)).await?;
    let row = row.filter(|row| row.person_id == person).ok_or_else(refused)?;
    let used = app.passkeys.confirmed(&answer.credential, &state, &row).map_err(|why| {
        tracing::warn!(passkey.id = %row.id, why = why.as_str(), "a confirmation is not believed");
        refused()
    })?;
    let issued = step_up::issue(&app, &caller, request, "passkey", move |tx, _| used.write(tx, now)).await?;
    Ok((StatusCode::CREATED, Json(StepUpProof::of(issued))).into_response())
}
