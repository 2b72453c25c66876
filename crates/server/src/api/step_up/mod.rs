//! `POST /step-up`: a person confirms that they mean the request that follows.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use quell_store::person;
use quell_wire::digest::unhex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::body::{Json, JsonUpTo};
use super::route::{Route, permit};
use super::secret::Secret;
use super::time;
use crate::auth::{Caller, Permission, password, step_up};
use crate::problem::Problem;
use crate::state::App;

/// The routes of confirmations.
pub(crate) fn routes() -> Vec<Route> {
    vec![permit(Permission::SelfManage, routes!(confirm_request))]
}

/// What is confirmed, and by what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewStepUp {
    /// SHA-256, hexadecimal, of the request that follows: `POST /api/v1/tasks` (its method and path), a newline, and its
    /// exact body.
    #[schema(min_length = 64, max_length = 64)]
    request: String,
    /// The person's password.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret>,
    /// A one-time code in its place.
    #[schema(value_type = Option<String>)]
    totp: Option<Secret>,
}

/// A proof for one request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StepUpProof {
    /// For the header `Quell-Step-Up` of the request.
    proof: String,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl StepUpProof {
    /// As it is answered.
    pub fn of(issued: step_up::Issued) -> Self {
        Self { proof: issued.proof, expires_at: time::text(issued.expires_at) }
    }
}

/// Confirm the request that follows
///
/// The proof is good for one request of this session with a body of that digest, for a minute. Only people confirm.
#[utoipa::path(post, path = "/step-up", tag = "access", request_body = NewStepUp,
    responses((status = 201, body = StepUpProof)))]
pub(super) async fn confirm_request(
    State(app): State<App>,
    caller: Caller,
    JsonUpTo(asked): JsonUpTo<NewStepUp, { 16 << 10 }>,
) -> Result<Response, Problem> {
    let request = unhex(&asked.request)
        .ok_or_else(|| Problem::bad_field("request", "must be a SHA-256, 64 hexadecimal digits"))?;
    let issued = match (&asked.password, &asked.totp) {
        (Some(text), _) => {
            password::confirm(&app, &caller, text).await?;
            step_up::issue(&app, &caller, request, "password", |_, _| Ok(())).await?
        }
        (None, Some(code)) => by_code(&app, &caller, request, code).await?,
        (None, None) => return Err(Problem::bad_field("password", "must be given, or `totp`")),
    };
    Ok((StatusCode::CREATED, Json(StepUpProof::of(issued))).into_response())
}

async fn by_code(
    app: &App,
    caller: &Caller,
    request: quell_wire::digest::Digest,
    code: &Secret,
) -> Result<step_up::Issued, Problem> {
    let (id, _) = caller.person()?;
    let person = app.store.read(move |tx| person::get(tx, id)).await?.ok_or(Problem::not_found("person"))?;
    let sealed = person
        .totp
        .as_ref()
        .ok_or_else(|| Problem::bad_field("totp", "the account has no one-time codes"))?;
    let (tried, origin) = password::counted(app, caller, &person)?;
    let Some(step) = password::code_step(app, sealed, code) else {
        return Err(password::refuse(app, &tried, &origin, Some(&person), "confirmation"));
    };
    let used = password::Used::Step(step);
    let issued =
        step_up::issue(app, caller, request, "totp", move |tx, person| used.write(tx, person.id)).await?;
    app.lockout.succeeded(&tried);
    Ok(issued)
}
