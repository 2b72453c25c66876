//! `GET /endpoints`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::endpoint;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::Endpoint;
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::Listing;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::EndpointRead, routes!(list_endpoints))
}

/// Which endpoints.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// `active` or `revoked`.
    state: Option<String>,
    /// This exact name.
    name: Option<String>,
    /// `linux`, `windows` or `macos`.
    os: Option<String>,
    /// Isolated now, or not.
    isolated: Option<bool>,
}

/// Endpoints, latest enrolled first
#[utoipa::path(get, path = "/endpoints", tag = "endpoints", params(Turn, Filter),
    responses((status = 200, body = Page<Endpoint>)))]
pub(super) async fn list_endpoints(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let Filter { state, name, os, isolated } = filter;
    let filter = endpoint::Filter { state, name, os, isolated };
    export::list(turn, &headers, "endpoints", move |turn| {
        read(app.clone(), caller.tenant, filter.clone(), turn)
    })
    .await
}

async fn read(
    app: App,
    tenant: uuid::Uuid,
    filter: endpoint::Filter,
    turn: Turn,
) -> Result<Page<Endpoint>, Problem> {
    let page = turn.page(List::Endpoints)?;
    let paged = app.store.read(move |tx| endpoint::list(tx, tenant, &filter, page)).await?;
    Ok(Page::of(List::Endpoints, paged, |row| Endpoint::of(&app, row)))
}
