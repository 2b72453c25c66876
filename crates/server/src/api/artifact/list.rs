//! `GET /artifacts`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::artifact;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Artifact;
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::{Listing, parse_id};
use crate::api::route::{Route, permit};
use crate::api::scan::{Span, scan};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::ArtifactRead, routes!(list_artifacts))
}

/// Which artifacts.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Of this task.
    task: Option<String>,
    /// In this state.
    state: Option<String>,
}

/// Artifacts
///
/// In the order of their ids, which says nothing about time.
#[utoipa::path(get, path = "/artifacts", tag = "artifacts", params(Turn, Filter),
    responses((status = 200, body = Page<Artifact>)))]
pub(super) async fn list_artifacts(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let task = match &filter.task {
        Some(text) => {
            Some(parse_id(text).ok_or_else(|| Problem::new(Code::InvalidQuery, "task: not an id"))?)
        }
        None => None,
    };
    let state = filter.state;
    export::list(turn, &headers, "artifacts", move |turn| {
        read(app.clone(), caller.tenant, task, state.clone(), turn)
    })
    .await
}

async fn read(
    app: App,
    tenant: Uuid,
    task: Option<Uuid>,
    state: Option<String>,
    turn: Turn,
) -> Result<Page<Artifact>, Problem> {
    let page = turn.page(List::Artifacts)?;
    let paged = app
        .store
        .read(move |tx| {
            let keep = |row: &artifact::Artifact| state.as_ref().is_none_or(|state| *state == row.state);
            scan(
                page,
                Span::default(),
                |row| row.created_at,
                |row| row.id,
                keep,
                |page| artifact::list(tx, tenant, task, page),
            )
        })
        .await?;
    Ok(Page::of(List::Artifacts, paged, Artifact::of))
}
