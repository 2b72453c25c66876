//! `GET /sso/providers`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::identity_provider;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Provider;
use crate::api::cursor::{List, Page, Turn, write};
use crate::api::export;
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::SsoRead, routes!(list_providers))
}

/// Identity providers, newest first
#[utoipa::path(get, path = "/sso/providers", tag = "access", params(Turn),
    responses((status = 200, body = Page<Provider>)))]
pub(super) async fn list_providers(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(turn): Query<Turn>,
) -> Result<Response, Problem> {
    export::list(turn, &headers, "identity-providers", move |turn| read(app.clone(), caller.tenant, turn))
        .await
}

async fn read(app: App, tenant: Uuid, turn: Turn) -> Result<Page<Provider>, Problem> {
    let page = turn.page(List::Providers)?;
    let paged = app.store.read(move |tx| identity_provider::list(tx, tenant, page)).await?;
    let next = paged.next.map(|id| write(List::Providers, id));
    let items = paged.rows.into_iter().map(|row| Provider::of(&app, row));
    Ok(Page { items: items.collect::<Result<_, _>>()?, next })
}
