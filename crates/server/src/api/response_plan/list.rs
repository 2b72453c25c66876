//! `GET /response-plans`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::{Paged, response_plan as rows};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::ResponsePlan;
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::{Listing, parse_id};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskRead, routes!(list_plans))
}

/// Which plans.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// That answer this incident.
    incident: Option<String>,
}

/// Response plans, newest first
#[utoipa::path(get, path = "/response-plans", tag = "response plans", params(Turn, Filter),
    responses((status = 200, body = Page<ResponsePlan>)))]
pub(super) async fn list_plans(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let incident = match &filter.incident {
        None => None,
        Some(text) => {
            Some(parse_id(text).ok_or_else(|| Problem::new(Code::InvalidQuery, "incident: not an id"))?)
        }
    };
    export::list(turn, &headers, "response-plans", move |turn| {
        read(app.clone(), caller.tenant, incident, turn)
    })
    .await
}

async fn read(
    app: App,
    tenant: Uuid,
    incident: Option<Uuid>,
    turn: Turn,
) -> Result<Page<ResponsePlan>, Problem> {
    let page = turn.page(List::ResponsePlans)?;
    let paged = app.store.read(move |tx| {
        let Paged { rows, next } = rows::list(tx, tenant, incident, page)?;
        let rows = rows.into_iter().map(|row| ResponsePlan::read(tx, row)).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, quell_store::Error>(Paged { rows, next })
    });
    Ok(Page::of(List::ResponsePlans, paged.await?, |plan| plan))
}
