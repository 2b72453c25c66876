//! `GET /tasks`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_engine::TaskState;
use quell_store::task;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Task;
use crate::api::cursor::{List, Page, Turn};
use crate::api::query::Listing;
use crate::api::route::{Route, permit};
use crate::api::scan::{Span, scan};
use crate::api::{export, targets, time};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskRead, routes!(list_tasks))
}

/// Which tasks.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// In this state.
    state: Option<String>,
    /// Of this action.
    action: Option<String>,
    /// Acting on this endpoint: its id, or its name where only one has it.
    endpoint: Option<String>,
    /// Asked for by the requester of this id.
    requester: Option<String>,
    /// Made at this time or later.
    since: Option<String>,
    /// Made before this time.
    until: Option<String>,
    /// With this text in the reason, the requester's name or the parameters, upper and lower case alike.
    #[param(max_length = 200)]
    text: Option<String>,
}

/// Tasks, newest first
#[utoipa::path(get, path = "/tasks", tag = "tasks", params(Turn, Filter),
    responses((status = 200, body = Page<Task>)))]
pub(super) async fn list_tasks(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    if let Some(state) = &filter.state
        && TaskState::parse(state).is_none()
    {
        return Err(Problem::new(Code::InvalidQuery, format!("state: there is no state {state:?}")));
    }
    let span = Span {
        since: time::parse("since", filter.since.as_deref())?,
        until: time::parse("until", filter.until.as_deref())?,
    };
    if filter.text.as_ref().is_some_and(|text| text.chars().count() > 200) {
        return Err(Problem::new(Code::InvalidQuery, "text: longer than 200 characters"));
    }
    let endpoint_id = match &filter.endpoint {
        Some(name) => Some(targets::find_one(&app, caller.tenant, name).await?),
        None => None,
    };
    let rows = task::Filter {
        state: filter.state,
        action: filter.action,
        requester_id: filter.requester,
        endpoint_id,
    };
    let text = filter.text.map(|text| text.to_lowercase());
    export::list(turn, &headers, "tasks", move |turn| {
        read(app.clone(), caller.tenant, rows.clone(), span, text.clone(), turn)
    })
    .await
}

async fn read(
    app: App,
    tenant: Uuid,
    filter: task::Filter,
    span: Span,
    text: Option<String>,
    turn: Turn,
) -> Result<Page<Task>, Problem> {
    let page = turn.page(List::Tasks)?;
    let keep = move |row: &task::Task| {
        let holds = |held: &str, text: &str| held.to_lowercase().contains(text);
        text.as_ref().is_none_or(|text| {
            holds(&row.reason, text) || holds(&row.requester_name, text) || holds(&row.params_public, text)
        })
    };
    let paged = app
        .store
        .read(move |tx| {
            scan(
                page,
                span,
                |row| row.created_at,
                |row| row.id,
                keep,
                |page| task::list(tx, tenant, &filter, page),
            )
        })
        .await?;
    Ok(Page::of(List::Tasks, paged, Task::of))
}
