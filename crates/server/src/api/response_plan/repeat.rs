//! A request for a plan that comes again under the same `Idempotency-Key`.

use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use quell_engine::Repeat;
use quell_wire::digest::sha256;
use serde_json::Value;

use super::shown;
use crate::api::body::Json;
use crate::api::task::idempotency_key;
use crate::auth::Caller;
use crate::problem::Problem;
use crate::state::App;

/// By what a repeat of this request is known, where it has a key. `place` is what the path says of it; the body counts
/// whatever order its fields came in.
pub(crate) fn repeat(headers: &HeaderMap, place: &str, body: &[u8]) -> Result<Option<Repeat>, Problem> {
    let Some(key) = idempotency_key(headers)? else { return Ok(None) };
    // It was read as JSON before.
    let body = serde_json::from_slice::<Value>(body).unwrap_or_default().to_string();
    let place_size = (place.len() as u64).to_be_bytes();
    let request = sha256(&[b"quell/plan-request/v1\0", &place_size[..], place.as_bytes(), body.as_bytes()]);
    Ok(Some(Repeat { key, request }))
}

/// The answer to a repeat: the plan as it is by now. Looked for before the steps are worked out, which may be others since.
pub(crate) async fn repeated(
    app: &App,
    caller: &Caller,
    repeat: Option<&Repeat>,
) -> Result<Option<Response>, Problem> {
    let Some(repeat) = repeat else { return Ok(None) };
    let Some(found) = app.engine.repeated_plan(&caller.actor(), caller.tenant, repeat).await? else {
        return Ok(None);
    };
    Ok(Some(Json(shown(app, caller, found.plan_id).await?).into_response()))
}
