//! One-time codes of one's own account: made in two steps, so that nobody is asked for codes that their app cannot make.

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use quell_access::totp;
use quell_store::{Micros, audit, person};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::body::Json;
use crate::api::body::JsonUpTo;
use crate::api::route::{Route, permit};
use crate::api::secret::Secret;
use crate::auth::{Caller, Permission, password};
use crate::problem::{Code, Problem};
use crate::seal;
use crate::state::App;

/// For what a secret is sealed between the two steps.
const ENROLMENT: &str = "totp-enrolment";
/// How long the second step may take, microseconds.
const PATIENCE: Micros = 15 * 60 * 1_000_000;
const MOST: usize = 16 << 10;

pub(super) fn routes() -> Vec<Route> {
    vec![
        permit(Permission::SelfManage, routes!(begin_totp)),
        permit(Permission::SelfManage, routes!(confirm_totp)),
        permit(Permission::SelfManage, routes!(remove_totp)),
    ]
}

/// The password of whoever asks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnPassword {
    /// Your password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// A secret for an authenticator app. Nothing asks for its codes before they are confirmed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TotpEnrolment {
    /// The secret, as a person types it.
    secret: String,
    /// The same as an app reads it from a picture.
    uri: String,
    /// For the second step.
    enrolment: String,
}

/// A first code.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TotpConfirmation {
    /// What the first step answered.
    #[schema(value_type = String)]
    enrolment: Secret,
    /// A code of the app.
    #[schema(value_type = String)]
    code: Secret,
}

/// For when the app is lost.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecoveryCodes {
    /// Each signs in once in place of a one-time code. Shown this once.
    recovery_codes: Vec<String>,
}

fn no_randomness() -> Problem {
    Problem::new(Code::Unavailable, "the system gave no randomness").retry_after(1)
}

/// Make a secret for one-time codes
///
/// Answers a new one each time; nothing changes until a code of it is confirmed.
#[utoipa::path(post, path = "/me/totp", tag = "access", request_body = OwnPassword,
    responses((status = 200, body = TotpEnrolment)))]
pub(super) async fn begin_totp(
    State(app): State<App>,
    caller: Caller,
    JsonUpTo(asked): JsonUpTo<OwnPassword, MOST>,
) -> Result<Json<TotpEnrolment>, Problem> {
    let person = password::confirm(&app, &caller, &asked.password).await?;
    let mut secret = [0; totp::SECRET];
    SystemRandom::new().fill(&mut secret).map_err(|_| no_randomness())?;
    let now = app.now();
    let bound = [person.id.as_bytes(), &now.to_be_bytes()[..], &secret].concat();
    let sealed = seal::seal(&app.secrets, ENROLMENT, &bound).ok_or_else(no_randomness)?;
    let detail = json!({});
    let record = caller.record(now, "person.begin_totp", "person", &person.id.to_string(), &detail);
    app.store.write(move |tx| audit::append(tx, &record)).await?;
    Ok(Json(TotpEnrolment {
        secret: totp::written(&secret),
        uri: totp::uri(&secret, "Quell", &person.email),
        enrolment: URL_SAFE_NO_PAD.encode(sealed),
    }))
}

/// The secret of an enrolment that this person began a while ago.
fn opened(app: &App, person: Uuid, text: &Secret) -> Option<Vec<u8>> {
    let sealed = URL_SAFE_NO_PAD.decode(text.reveal()?).ok()?;
    let bound = seal::open(&app.secrets, ENROLMENT, &sealed)?;
    let (id, rest) = bound.split_at_checked(16)?;
    let (began, secret) = rest.split_at_checked(8)?;
    let began = Micros::from_be_bytes(began.try_into().ok()?);
    let is_fresh = (began..began + PATIENCE).contains(&app.now());
    (id == person.as_bytes() && is_fresh).then(|| secret.to_vec())
}

/// Ask for one-time codes from now on
///
/// Replaces a secret that there was, and the recovery codes with it.
#[utoipa::path(post, path = "/me/totp/confirm", tag = "access", request_body = TotpConfirmation,
    responses((status = 200, body = RecoveryCodes)))]
pub(super) async fn confirm_totp(
    State(app): State<App>,
    caller: Caller,
    JsonUpTo(asked): JsonUpTo<TotpConfirmation, MOST>,
) -> Result<Json<RecoveryCodes>, Problem> {
    let (person, _) = caller.person()?;
    let secret = opened(&app, person, &asked.enrolment).ok_or_else(|| {
        Problem::bad_field("enrolment", "is not one of yours, or older than a quarter of an hour")
    })?;
    let step = asked.code.reveal().and_then(|code| totp::step(&secret, code, app.now() / 1_000_000));
    let step = step.ok_or_else(|| {
        Problem::bad_field("code", "is not one of the app's now").hint("Is the clock of the phone right?")
    })?;
    let mut random = [0; 100];
    SystemRandom::new().fill(&mut random).map_err(|_| no_randomness())?;
    let codes = totp::recovery_codes(&random);
    let digests: Vec<String> = codes.iter().map(|code| totp::recovery_digest(code)).collect();
    let stored = json!(digests).to_string();
    let sealed = seal::seal(&app.secrets, password::TOTP, &secret).ok_or_else(no_randomness)?;
    let now = app.now();
    let record = caller.record(now, "person.enable_totp", "person", &person.to_string(), &json!({}));
    app.store
        .write(move |tx| {
            person::set_totp(tx, person, Some(&sealed), Some(&stored))?;
            person::use_totp(tx, person, step)?;
            audit::append(tx, &record)
        })
        .await?;
    Ok(Json(RecoveryCodes { recovery_codes: codes }))
}

/// Ask for no one-time codes any more
#[utoipa::path(post, path = "/me/totp/remove", tag = "access", request_body = OwnPassword,
    responses((status = 204)))]
pub(super) async fn remove_totp(
    State(app): State<App>,
    caller: Caller,
    JsonUpTo(asked): JsonUpTo<OwnPassword, MOST>,
) -> Result<StatusCode, Problem> {
    let person = password::confirm(&app, &caller, &asked.password).await?.id;
    let now = app.now();
    let record = caller.record(now, "person.remove_totp", "person", &person.to_string(), &json!({}));
    app.store
        .write(move |tx| {
            person::set_totp(tx, person, None, None)?;
            audit::append(tx, &record)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
