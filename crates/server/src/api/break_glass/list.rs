//! `GET /break-glass`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::break_glass;
use utoipa_axum::routes;

use super::BreakGlass;
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::ApprovalRead, routes!(list_break_glass))
}

/// Broken glass, newest first
#[utoipa::path(get, path = "/break-glass", tag = "approvals", params(Turn),
    responses((status = 200, body = Page<BreakGlass>)))]
pub(super) async fn list_break_glass(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(turn): Query<Turn>,
) -> Result<Response, Problem> {
    let tenant = caller.tenant;
    export::list(turn, &headers, "break-glass", move |turn| {
        let app = app.clone();
        async move {
            let page = turn.page(List::BreakGlass)?;
            let paged = app.store.read(move |tx| break_glass::list(tx, tenant, page)).await?;
            let now = app.now();
            Ok(Page::of(List::BreakGlass, paged, |row| BreakGlass::of(row, now)))
        }
    })
    .await
}
