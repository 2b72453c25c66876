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
use crate::api::scan::{Span, scan};
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
    /// With this tag.
    tag: Option<String>,
    /// Isolated now, or not.
    isolated: Option<bool>,
    /// With an alarm, or without.
    alarm: Option<bool>,
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
    let Filter { state, name, os, tag, isolated, alarm } = filter;
    let filter = endpoint::Filter { state, name, os, isolated, alarm, ..endpoint::Filter::default() };
    export::list(turn, &headers, "endpoints", move |turn| {
        read(app.clone(), caller.tenant, filter.clone(), tag.clone(), turn)
    })
    .await
}

async fn read(
    app: App,
    tenant: uuid::Uuid,
    filter: endpoint::Filter,
    tag: Option<String>,
    turn: Turn,
) -> Result<Page<Endpoint>, Problem> {
    let page = turn.page(List::Endpoints)?;
    let keep = move |row: &endpoint::Endpoint| {
        let has = |tag: &String| {
            serde_json::from_str::<Vec<String>>(&row.tags).is_ok_and(|tags| tags.contains(tag))
        };
        tag.as_ref().is_none_or(has)
    };
    let paged = app
        .store
        .read(move |tx| {
            scan(
                page,
                Span::default(),
                |row| row.enrolled_at,
                |row| row.id,
                keep,
                |page| endpoint::list(tx, tenant, &filter, page),
            )
        })
        .await?;
    Ok(Page::of(List::Endpoints, paged, |row| Endpoint::of(&app, row)))
}
