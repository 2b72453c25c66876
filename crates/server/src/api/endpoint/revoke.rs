//! `POST /endpoints/{id}/revoke`.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::api::text;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::EndpointRevoke, routes!(revoke_endpoint))
}

/// Why an endpoint's identity is ended.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRevocation {
    /// Why; people read it.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// What ended with an identity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revoked {
    /// Commands that were open on the endpoint and ended.
    voided: usize,
}

/// End an endpoint's identity
///
/// Its certificate is worth nothing from now on, its session ends at once, and what waited for it is void. The
/// machine may enrol again with a token and is another endpoint then.
#[utoipa::path(post, path = "/endpoints/{id}/revoke", tag = "endpoints", params(("id" = Uuid, Path)),
    request_body = NewRevocation, responses((status = 200, body = Revoked)))]
pub(super) async fn revoke_endpoint(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewRevocation>,
) -> Result<Json<Revoked>, Problem> {
    let reason = text::checked("reason", &wanted.reason, 2000)?;
    let voided = app.engine.revoke(&caller.actor(), caller.tenant, id, &reason).await?;
    app.sessions.revoked(id);
    Ok(Json(Revoked { voided }))
}
