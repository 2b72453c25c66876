//! `GET /scripts`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::{Error, script};
use utoipa_axum::routes;
use uuid::Uuid;

use super::Script;
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::ScriptRead, routes!(list_scripts))
}

/// Scripts of the library, newest first
#[utoipa::path(get, path = "/scripts", tag = "library", params(Turn),
    responses((status = 200, body = Page<Script>)))]
pub(super) async fn list_scripts(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(turn): Query<Turn>,
) -> Result<Response, Problem> {
    export::list(turn, &headers, "scripts", move |turn| read(app.clone(), caller.tenant, turn)).await
}

async fn read(app: App, tenant: Uuid, turn: Turn) -> Result<Page<Script>, Problem> {
    let page = turn.page(List::Scripts)?;
    let (paged, mut versions) = app
        .store
        .read(move |tx| {
            let paged = script::list(tx, tenant, page)?;
            let versions = paged.rows.iter().map(|row| script::versions(tx, tenant, row.id));
            let versions = versions.collect::<Result<Vec<_>, Error>>()?;
            Ok::<_, Error>((paged, versions.into_iter()))
        })
        .await?;
    Ok(Page::of(List::Scripts, paged, |row| Script::of(row, versions.next().unwrap_or_default())))
}
