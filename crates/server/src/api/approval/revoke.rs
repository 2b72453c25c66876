//! `POST /approvals/{id}/revoke`.

use axum::extract::State;
use utoipa_axum::routes;

use super::{Approval, read};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::ApprovalDecide, routes!(revoke_approval))
}

/// Take your approval back
///
/// Where too few are left, what waits does not begin any more, and what was handed over is asked to stop.
#[utoipa::path(post, path = "/approvals/{id}/revoke", tag = "approvals", params(("id" = Uuid, Path)),
    responses((status = 200, body = Approval)))]
pub(super) async fn revoke_approval(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Approval>, Problem> {
    let tenant = caller.tenant;
    app.engine.revoke_approval(&caller.actor(), tenant, id).await?;
    let found = app.store.read(move |tx| read(tx, tenant, id)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("request for approval"))
}
