//! `GET /approvals/{id}`.

use axum::extract::State;
use utoipa_axum::routes;

use super::{Approval, Reader, read_whole};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::ApprovalRead, routes!(show_approval))
}

/// A request for approval
///
/// Its id is that of the task. Who may decide sees the parameters as they are carried out, others with what is not to be seen
/// as `***`.
#[utoipa::path(get, path = "/approvals/{id}", tag = "approvals", params(("id" = Uuid, Path)),
    responses((status = 200, body = Approval)))]
pub(super) async fn show_approval(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Approval>, Problem> {
    let tenant = caller.tenant;
    let may_see = caller.access().allows(Permission::ApprovalDecide);
    let reader = Reader::of(&app, &caller);
    let found = app.store.read(move |tx| read_whole(tx, &reader, (tenant, id), may_see)).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("request for approval"))
}
