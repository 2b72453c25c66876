//! `GET /roles`.

use axum::extract::State;
use quell_access::Role;
use quell_store::role;
use utoipa_axum::routes;

use super::RoleView;
use crate::api::body::Json;
use crate::api::cursor::{List, Page, Turn};
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::PersonRead, routes!(list_roles))
}

/// Roles: those that come with Quell, then the tenant's own, newest first
///
/// The first page has those that come with Quell beside as many of the tenant's own as were asked for.
#[utoipa::path(get, path = "/roles", tag = "access", params(Turn),
    responses((status = 200, body = Page<RoleView>)))]
pub(super) async fn list_roles(
    State(app): State<App>,
    caller: Caller,
    Query(turn): Query<Turn>,
) -> Result<Json<Page<RoleView>>, Problem> {
    let (tenant, page) = (caller.tenant, turn.page(List::Roles)?);
    let is_first = page.after.is_none();
    let paged = app.store.read(move |tx| role::list(tx, tenant, page)).await?;
    let mut listed = Page::of(List::Roles, paged, RoleView::of);
    if is_first {
        let built_in = Role::ALL.iter().map(|role| RoleView::built_in(*role));
        listed.items.splice(0..0, built_in);
    }
    Ok(Json(listed))
}
