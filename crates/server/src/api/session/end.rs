//! Ending sessions: this one, another one, all others.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use quell_store::{audit, session};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission, session as token};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn routes() -> Vec<Route> {
    vec![
        permit(Permission::SelfManage, routes!(sign_out)),
        permit(Permission::SelfManage, routes!(end_session)),
        permit(Permission::SelfManage, routes!(end_other_sessions)),
    ]
}

/// Sign out
///
/// Ends the session that the request is made in, with its live streams, and takes the cookie back.
#[utoipa::path(delete, path = "/session", tag = "access", responses((status = 204)))]
pub(super) async fn sign_out(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let (person, id) = caller.person()?;
    end(&app, &caller, person, id).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = token::set_cookie(None, 0, app.is_tls) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// End one of your sessions
#[utoipa::path(delete, path = "/sessions/{id}", tag = "access", params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub(super) async fn end_session(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let (person, _) = caller.person()?;
    end(&app, &caller, person, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn end(app: &App, caller: &Caller, person: uuid::Uuid, id: uuid::Uuid) -> Result<(), Problem> {
    let now = app.now();
    let record = caller.record(now, "session.end", "session", &id.to_string(), &json!({}));
    app.store
        .write(move |tx| {
            session::revoke(tx, person, id, now)?;
            audit::append(tx, &record)
        })
        .await?;
    app.access_changed();
    Ok(())
}

/// How many sessions ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ended {
    /// Their number.
    ended: u64,
}

/// End all your sessions but this one
#[utoipa::path(post, path = "/sessions/revoke-others", tag = "access", responses((status = 200, body = Ended)))]
pub(super) async fn end_other_sessions(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<Ended>, Problem> {
    let (person, this) = caller.person()?;
    let now = app.now();
    let ended = app
        .store
        .write(move |tx| {
            let ended = session::revoke_others(tx, person, this, now)?;
            let detail = json!({ "ended": ended });
            audit::append(
                tx,
                &caller.record(now, "session.end_others", "session", &this.to_string(), &detail),
            )?;
            Ok::<_, quell_store::Error>(ended)
        })
        .await?;
    app.access_changed();
    Ok(Json(Ended { ended }))
}
