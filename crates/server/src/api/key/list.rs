//! `GET /api-keys`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::api_key;
use utoipa_axum::routes;
use uuid::Uuid;

use super::ApiKey;
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::KeyRead, routes!(list_api_keys))
}

/// API keys, newest first
#[utoipa::path(get, path = "/api-keys", tag = "access", params(Turn),
    responses((status = 200, body = Page<ApiKey>)))]
pub(super) async fn list_api_keys(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(turn): Query<Turn>,
) -> Result<Response, Problem> {
    export::list(turn, &headers, "api-keys", move |turn| read(app.clone(), caller.tenant, turn)).await
}

async fn read(app: App, tenant: Uuid, turn: Turn) -> Result<Page<ApiKey>, Problem> {
    let page = turn.page(List::Keys)?;
    let paged = app.store.read(move |tx| api_key::list(tx, tenant, page)).await?;
    Ok(Page::of(List::Keys, paged, ApiKey::of))
}
