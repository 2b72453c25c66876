//! `POST /approvals/{id}/expire`.

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
    permit(Permission::ApprovalDecide, routes!(expire_approval))
}

/// Set an approval to expire
///
/// It is not valid any more from now on: what waits does not begin, what runs is asked to stop, and a new request is
/// needed.
#[utoipa::path(post, path = "/approvals/{id}/expire", tag = "approvals", params(("id" = Uuid, Path)),
    responses((status = 200, body = Approval)))]
pub(super) async fn expire_approval(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Approval>, Problem> {
    let tenant = caller.tenant;
    app.engine.expire_approval(&caller.actor(), tenant, id).await?;
    let found = app.store.read(move |tx| read(tx, tenant, id)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("request for approval"))
}
