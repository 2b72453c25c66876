//! `GET /webhooks`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::webhook;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Webhook;
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::WebhookRead, routes!(list_webhooks))
}

/// Webhooks, newest first
#[utoipa::path(get, path = "/webhooks", tag = "notices", params(Turn),
    responses((status = 200, body = Page<Webhook>)))]
pub(super) async fn list_webhooks(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(turn): Query<Turn>,
) -> Result<Response, Problem> {
    export::list(turn, &headers, "webhooks", move |turn| read(app.clone(), caller.tenant, turn)).await
}

async fn read(app: App, tenant: Uuid, turn: Turn) -> Result<Page<Webhook>, Problem> {
    let page = turn.page(List::Webhooks)?;
    let paged = app.store.read(move |tx| webhook::list(tx, tenant, page)).await?;
    Ok(Page::of(List::Webhooks, paged, Webhook::of))
}
