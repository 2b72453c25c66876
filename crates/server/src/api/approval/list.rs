//! `GET /approvals`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_engine::approval::state;
use quell_store::{Micros, Paged, Tx, approval};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Approval, Reader, read_whole, with_task};
use crate::api::cursor::{List, Page, Turn};
use crate::api::export;
use crate::api::query::{Listing, looked_for, several};
use crate::api::route::{Route, permit};
use crate::api::scan::{Span, scan};
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
    /// In any of these states, with commas between: `pending`, `approved`, `auto`, `rejected`, `expired`, `revoked` or `canceled`.
    state: Option<String>,
    /// Of this action.
    action: Option<String>,
    /// Asked for by the requester of this id.
    requester: Option<String>,
    /// `true`: asked for by you.
    mine: Option<bool>,
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
    let states = several("state", filter.state.as_deref())?;
    if let Some(wanted) = states.iter().find(|wanted| !state::ALL.contains(&wanted.as_str())) {
        return Err(Problem::new(Code::InvalidQuery, format!("state: there is no state {wanted:?}"))
            .field("state", "not a state"));
    }
    let own = filter.mine.unwrap_or_default().then(|| caller.identity.id.to_string());
    if let (Some(requester), Some(own)) = (&filter.requester, &own)
        && requester != own
    {
        return Err(Problem::new(Code::InvalidQuery, "mine: `requester` names somebody else"));
    }
    let wanted = Wanted {
        states,
        action: filter.action,
        requester: filter.requester.or(own),
        text: looked_for(filter.text)?,
    };
    let reader = Reader::of(&app, &caller);
    export::list(turn, &headers, "approvals", move |turn| {
        read(app.clone(), (caller.tenant, reader.clone()), wanted.clone(), turn)
    })
    .await
}

/// The filter as it was read.
#[derive(Clone, Debug)]
struct Wanted {
    states: Vec<String>,
    action: Option<String>,
    requester: Option<String>,
    text: Option<String>,
}

impl Wanted {
    /// A page of what the database chooses; [`Wanted::keeps`] looks at the rest.
    fn fetch(
        &self,
        tx: &mut Tx<'_>,
        tenant: Uuid,
        page: quell_store::Page,
    ) -> Result<Paged<Row>, quell_store::Error> {
        let paged = if self.states.len() > 1 && self.action.is_none() && self.requester.is_none() {
            approval::list_of_states(tx, tenant, &self.states, page)?
        } else {
            let state = if let [one] = self.states.as_slice() { Some(one.clone()) } else { None };
            let (action, requester_id) = (self.action.clone(), self.requester.clone());
            approval::list(tx, tenant, &approval::Filter { state, action, requester_id }, page)?
        };
        let mut rows = Vec::with_capacity(paged.rows.len());
        for request in paged.rows {
            let (id, made_at) = (request.task_id, request.created_at);
            rows.push(Row { id, made_at, view: with_task(tx, request)? });
        }
        Ok(Paged { rows, next: paged.next })
    }

    fn keeps(&self, row: &Row) -> bool {
        row.view.as_ref().is_some_and(|view| {
            (self.states.is_empty() || self.states.contains(&view.state))
                && self.text.as_ref().is_none_or(|text| view.has(text))
        })
    }
}

/// A request with what is shown of it.
struct Row {
    id: Uuid,
    made_at: Micros,
    view: Option<Approval>,
}

async fn read(
    app: App,
    (tenant, reader): (Uuid, Reader),
    wanted: Wanted,
    turn: Turn,
) -> Result<Page<Approval>, Problem> {
    let page = turn.page(List::Approvals)?;
    let found = app.store.read(move |tx| {
        let mut paged = scan(
            page,
            Span::default(),
            |row: &Row| row.made_at,
            |row| row.id,
            |row| wanted.keeps(row),
            |page| wanted.fetch(tx, tenant, page),
        )?;
        // What waits is looked at by whom it waits for.
        for row in &mut paged.rows {
            if row.view.as_ref().is_some_and(|view| view.state() == state::PENDING) {
                row.view = read_whole(tx, &reader, (tenant, row.id), false)?;
            }
        }
        Ok::<_, quell_engine::Error>(paged)
    });
    let Paged { rows, next } = found.await?;
    Ok(Page {
        items: rows.into_iter().filter_map(|row| row.view).collect(),
        next: next.map(|id| crate::api::cursor::write(List::Approvals, id)),
    })
}

impl Approval {
    fn has(&self, text: &str) -> bool {
        let names = self.blast.get("endpoints").and_then(|list| list.as_array()).into_iter().flatten();
        let mut names = names.filter_map(|endpoint| endpoint.get("name")?.as_str());
        names.any(|name| name.to_lowercase().contains(text))
            || [&self.reason, &self.requester].iter().any(|held| held.to_lowercase().contains(text))
    }
}
