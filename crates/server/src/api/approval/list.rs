//! `GET /approvals`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_engine::approval::state;
use quell_store::approval;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Approval, with_task};
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::Listing;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::ApprovalRead, routes!(list_approvals))
}

/// Which requests.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// In this state: `pending`, `approved`, `auto`, `rejected`, `expired`, `revoked` or `canceled`.
    state: Option<String>,
    /// Of this action.
    action: Option<String>,
    /// Asked for by the requester of this id.
    requester: Option<String>,
    /// With this text among the names of the targets, the reason or the requester's name, upper and lower case alike.
    #[param(max_length = 200)]
    text: Option<String>,
}

/// Requests for approval, newest first
///
/// Also those that the settings approved by themselves (`auto`). They are kept for 60 days.
#[utoipa::path(get, path = "/approvals", tag = "approvals", params(Turn, Filter),
    responses((status = 200, body = Page<Approval>)))]
pub(super) async fn list_approvals(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    if let Some(wanted) = &filter.state
        && !state::ALL.contains(&wanted.as_str())
    {
        return Err(Problem::new(Code::InvalidQuery, format!("state: there is no state {wanted:?}")));
    }
    if filter.text.as_ref().is_some_and(|text| text.chars().count() > 200) {
        return Err(Problem::new(Code::InvalidQuery, "text: longer than 200 characters"));
    }
    let rows =
        approval::Filter { state: filter.state, action: filter.action, requester_id: filter.requester };
    let text = filter.text.map(|text| text.to_lowercase());
    export::list(turn, &headers, "approvals", move |turn| {
        read(app.clone(), caller.tenant, rows.clone(), text.clone(), turn)
    })
    .await
}

async fn read(
    app: App,
    tenant: Uuid,
    filter: approval::Filter,
    text: Option<String>,
    turn: Turn,
) -> Result<Page<Approval>, Problem> {
    let page = turn.page(List::Approvals)?;
    let found = app.store.read(move |tx| {
        let paged = approval::list(tx, tenant, &filter, page)?;
        let mut views = Vec::with_capacity(paged.rows.len());
        for request in paged.rows {
            views.extend(with_task(tx, request)?);
        }
        Ok::<_, quell_store::Error>((views, paged.next))
    });
    let (mut items, next) = found.await?;
    if let Some(text) = text {
        items.retain(|item| item.has(&text));
    }
    Ok(Page { items, next: next.map(|id| crate::api::cursor::write(List::Approvals, id)) })
}

impl Approval {
    fn has(&self, text: &str) -> bool {
        let names = self.blast.get("endpoints").and_then(|list| list.as_array()).into_iter().flatten();
        let mut names = names.filter_map(|endpoint| endpoint.get("name")?.as_str());
        names.any(|name| name.to_lowercase().contains(text))
            || [&self.reason, &self.requester].iter().any(|held| held.to_lowercase().contains(text))
    }
}
