//! `GET /enrolment-tokens`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::enrolment;
use utoipa_axum::routes;
use uuid::Uuid;

use super::EnrolmentToken;
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TokenRead, routes!(list_enrolment_tokens))
}

/// Enrolment tokens, newest first
#[utoipa::path(get, path = "/enrolment-tokens", tag = "enrolment", params(Turn),
    responses((status = 200, body = Page<EnrolmentToken>)))]
pub(super) async fn list_enrolment_tokens(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(turn): Query<Turn>,
) -> Result<Response, Problem> {
    export::list(turn, &headers, "enrolment-tokens", move |turn| read(app.clone(), caller.tenant, turn)).await
}

async fn read(app: App, tenant: Uuid, turn: Turn) -> Result<Page<EnrolmentToken>, Problem> {
    let page = turn.page(List::Tokens)?;
    let paged = app.store.read(move |tx| enrolment::list(tx, tenant, page)).await?;
    Ok(Page::of(List::Tokens, paged, EnrolmentToken::of))
}
