//! `POST /sso/session`.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::route::{Route, open};
use crate::auth::login::{Deliver, SessionBegun, Wanted, sign_in};
use crate::auth::origin::Origin;
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    open(routes!(take_sso_session))
}

/// A sign-in that a browser finished for a program.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeSession {
    /// What the browser brought.
    #[schema(max_length = 64)]
    code: String,
    /// What the program kept to itself; its SHA-256 was the challenge.
    #[schema(max_length = 128)]
    verifier: String,
}

/// Take over a sign-in that the browser finished
///
/// For programs that a person uses: answers the token of their session. A code is good once, for a minute.
#[utoipa::path(post, path = "/sso/session", tag = "access", request_body = TakeSession,
    responses((status = 200, body = SessionBegun)))]
pub(super) async fn take_sso_session(
    State(app): State<App>,
    origin: Origin,
    Json(wanted): Json<TakeSession>,
) -> Result<Response, Problem> {
    let finished = app.oidc.codes.take(&wanted.code, &wanted.verifier, app.now());
    let finished = finished.ok_or_else(|| {
        Problem::new(
            Code::Unauthenticated,
            "the code is not one that is out, or the program is not the one that began",
        )
        .hint("Begin again: quell login --sso NAME.")
    })?;
    let wanted = Wanted {
        person: finished.person,
        method: "sso".to_owned(),
        tenant: Some(finished.tenant),
        deliver: Deliver::Token,
    };
    Ok(sign_in(&app, &origin, wanted).await?.into_response(&app))
}
