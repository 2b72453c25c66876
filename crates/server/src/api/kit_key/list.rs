//! `GET /kit-keys`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::kit_key;
use utoipa_axum::routes;
use uuid::Uuid;

use super::KitKey;
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TrustRead, routes!(list_kit_keys))
}

/// Whose investigation kits the library takes, newest first
#[utoipa::path(get, path = "/kit-keys", tag = "trust", params(Turn),
    responses((status = 200, body = Page<KitKey>)))]
pub(super) async fn list_kit_keys(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(turn): Query<Turn>,
) -> Result<Response, Problem> {
    export::list(turn, &headers, "kit-keys", move |turn| read(app.clone(), caller.tenant, turn)).await
}

async fn read(app: App, tenant: Uuid, turn: Turn) -> Result<Page<KitKey>, Problem> {
    let page = turn.page(List::KitKeys)?;
    let paged = app.store.read(move |tx| kit_key::list(tx, tenant, page)).await?;
    Ok(Page::of(List::KitKeys, paged, KitKey::of))
}
