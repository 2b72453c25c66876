//! `POST /passkeys/begin` and `POST /passkeys/finish`.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use quell_store::person::{self, Person};
use quell_store::{Micros, audit, passkey, session};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;
use webauthn_rs::prelude::RegisterPublicKeyCredential;

use super::{PasskeyAsked, Shown};
use crate::api::body::{Json, JsonBytes, JsonUpTo, created};
use crate::api::route::{Route, permit};
use crate::api::{ROOT, text};
use crate::auth::login::LIFE;
use crate::auth::passkey::{Ceremony, refused, stored};
use crate::auth::{Caller, Permission, step_up};
use crate::problem::{Code, Problem};
use crate::state::App;

/// Passkeys of one person.
const MOST: usize = 20;
/// How old a session may be that adds or removes a passkey without a confirmation, microseconds.
const FRESH: Micros = 5 * 60 * 1_000_000;

pub(super) fn begin_route() -> Route {
    permit(Permission::SelfManage, routes!(begin_passkey))
}

pub(super) fn finish_route() -> Route {
    permit(Permission::SelfManage, routes!(finish_passkey))
}

/// Who found a session that somebody left open must not make a way in of their own: the person has just signed in, or
/// confirms this request.
pub(super) async fn present(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Problem> {
    let (tenant, (_, id)) = (caller.tenant, caller.person()?);
    let session = app.store.read(move |tx| session::get(tx, tenant, id)).await?;
    // One that was renewed or moved on ends when the first would have, and nobody showed anew who they are.
    let since = session.map_or(0, |session| session.expires_at - LIFE);
    if app.now() - since < FRESH && !headers.contains_key(step_up::HEADER) {
        return Ok(());
    }
    step_up::demand(app, caller, headers, body).await.map(drop)
}

/// The person who asks, with their passkeys.
pub(super) async fn mine(app: &App, caller: &Caller) -> Result<(Person, Vec<passkey::Passkey>), Problem> {
    let (id, _) = caller.person()?;
    app.store
        .read(move |tx| {
            let person = person::get(tx, id)?.ok_or_else(|| Problem::not_found("person"))?;
            let keys = passkey::of_person(tx, person.tenant_id, person.id)?;
            Ok((person, keys))
        })
        .await
}

/// Nothing yet: what is to come is in the answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPasskey {}

/// Ask for a new passkey
///
/// In a session that is older than five minutes it needs a confirmation (`POST /step-up`) of this request.
#[utoipa::path(post, path = "/passkeys/begin", tag = "access", request_body = NewPasskey,
    responses((status = 200, body = PasskeyAsked)))]
pub(super) async fn begin_passkey(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonBytes(NewPasskey {}, bytes): JsonBytes<NewPasskey>,
) -> Result<Json<PasskeyAsked>, Problem> {
    present(&app, &caller, &headers, &bytes).await?;
    let who = caller.person()?;
    let (person, keys) = mine(&app, &caller).await?;
    if keys.len() >= MOST {
        return Err(Problem::new(Code::Conflict, format!("there are {MOST} passkeys already"))
            .hint("Remove one that is not used any more."));
    }
    let begun = app.passkeys.register(who, (&person.email, &person.name), &keys, app.now())?;
    Ok(Json(PasskeyAsked::of(begun)))
}

/// What the authenticator made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MadePasskey {
    /// Of the question.
    #[schema(max_length = 64)]
    ceremony: String,
    /// What to call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// The `PublicKeyCredential`, as its `toJSON()` writes it.
    #[schema(value_type = Object)]
    credential: RegisterPublicKeyCredential,
}

/// Add the passkey that the authenticator made
#[utoipa::path(post, path = "/passkeys/finish", tag = "access", request_body = MadePasskey,
    responses((status = 201, body = Shown)))]
pub(super) async fn finish_passkey(
    State(app): State<App>,
    caller: Caller,
    JsonUpTo(made): JsonUpTo<MadePasskey, { 64 << 10 }>,
) -> Result<Response, Problem> {
    let name = text::checked("name", &made.name, 100)?;
    let now = app.now();
    let Ceremony::Register { person, session, state } = app.passkeys.take(&made.ceremony, now)? else {
        return Err(refused());
    };
    if caller.person()? != (person, session) {
        return Err(refused());
    }
    let key = app.passkeys.registered(&made.credential, &state)?;
    let (owner, _) = mine(&app, &caller).await?;
    let row = passkey::Passkey {
        tenant_id: owner.tenant_id,
        id: Uuid::now_v7(),
        person_id: person,
        name,
        credential_id: Bytes::copy_from_slice(key.cred_id().as_ref()).to_vec(),
        credential: stored(&key)?,
        created_at: now,
        last_used_at: None,
    };
    let detail = json!({ "name": row.name });
    let record = caller.record(now, "passkey.create", "passkey", &row.id.to_string(), &detail);
    let row = app
        .store
        .write(move |tx| {
            if passkey::of_person(tx, row.tenant_id, person)?.len() >= MOST {
                return Err(Problem::new(Code::Conflict, format!("there are {MOST} passkeys already")));
            }
            passkey::insert(tx, &row)?;
            audit::append(tx, &record)?;
            Ok(row.clone())
        })
        .await?;
    let location = format!("{ROOT}/passkeys/{}", row.id);
    Ok(created(&location, Shown::of(row)))
}
