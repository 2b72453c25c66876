//! `GET /people`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::{Paged, person};
use utoipa_axum::routes;
use uuid::Uuid;

use super::PersonView;
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::PersonRead, routes!(list_people))
}

/// The people of this tenant, at home here or members, newest first
#[utoipa::path(get, path = "/people", tag = "access", params(Turn),
    responses((status = 200, body = Page<PersonView>)))]
pub(super) async fn list_people(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(turn): Query<Turn>,
) -> Result<Response, Problem> {
    export::list(turn, &headers, "people", move |turn| read(app.clone(), caller.tenant, turn)).await
}

async fn read(app: App, tenant: Uuid, turn: Turn) -> Result<Page<PersonView>, Problem> {
    let page = turn.page(List::People)?;
    let paged = app
        .store
        .read(move |tx| {
            let Paged { rows, next } = person::list(tx, tenant, page)?;
            let rows =
                rows.into_iter().map(|row| PersonView::read(tx, tenant, row)).collect::<Result<_, _>>()?;
            Ok::<_, quell_store::Error>(Paged { rows, next })
        })
        .await?;
    Ok(Page::of(List::People, paged, |view| view))
}
