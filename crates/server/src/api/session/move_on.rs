//! A new token for a session: to rotate it, or to look at another tenant. The one before ends.

use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::login::{self, SessionBegun};
use crate::auth::origin::Origin;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn routes() -> Vec<Route> {
    vec![
        permit(Permission::SelfManage, routes!(refresh_session)),
        permit(Permission::SelfManage, routes!(switch_tenant)),
    ]
}

/// Where to go on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    /// A tenant that you are a member of.
    tenant: Uuid,
}

/// A new token for the session
///
/// The session goes on under a new token and ends when it would have; the token before is good no more.
#[utoipa::path(post, path = "/session/refresh", tag = "access", responses((status = 200, body = SessionBegun)))]
pub(super) async fn refresh_session(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
) -> Result<Response, Problem> {
    let tenant = caller.tenant;
    let moved = login::move_on(&app, &caller, &origin, tenant).await?;
    Ok(moved.into_response(&app))
}

/// Go on in another tenant
///
/// In one that you are a member of. The token changes with the tenant, so that no request meant for one reaches the other.
#[utoipa::path(post, path = "/session/tenant", tag = "access", request_body = Switch,
    responses((status = 200, body = SessionBegun)))]
pub(super) async fn switch_tenant(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    Json(asked): Json<Switch>,
) -> Result<Response, Problem> {
    let moved = login::move_on(&app, &caller, &origin, asked.tenant).await?;
    Ok(moved.into_response(&app))
}
