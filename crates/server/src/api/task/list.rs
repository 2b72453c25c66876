//! `GET /tasks`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_engine::TaskState;
use quell_store::{Paged, task};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Task;
use crate::api::cursor::{List, Page, Turn};
use crate::api::query::{Listing, looked_for, several};
use crate::api::route::{Route, permit};
use crate::api::scan::{Span, scan};
use crate::api::{export, incident, targets, time};
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
    /// In any of these states, with commas between; `open` is all that have not ended, `ended` all others.
    state: Option<String>,
    /// Of any of these actions, with commas between.
    action: Option<String>,
    /// Asked for with `api`, `cli`, `console` or `timer`; `console/` and a screen is that screen alone.
    created_from: Option<String>,
    /// Acting on this endpoint: its id, or its name where only one has it.
    endpoint: Option<String>,
    /// Asked for by the requester of this id.
    requester: Option<String>,
    /// Asked for from this incident, by its id or its number; `any` for those of all incidents.
    incident: Option<String>,
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
    let states = states(filter.state.as_deref())?;
    let actions = several("action", filter.action.as_deref())?;
    let span = Span {
        since: time::parse("since", filter.since.as_deref())?,
        until: time::parse("until", filter.until.as_deref())?,
    };
    let text = looked_for(filter.text)?;
    let endpoint_id = match &filter.endpoint {
        Some(name) => Some(targets::find_one(&app, caller.tenant, name).await?),
        None => None,
    };
    let origin = match filter.incident.as_deref() {
        Some("any") => Origin::AnyIncident,
        Some(name) => Origin::Incident(incident::find(&app, caller.tenant, name).await?),
        None => Origin::Whatever,
    };
    let wanted = Wanted {
        states,
        actions,
        requester: filter.requester,
        endpoint: endpoint_id,
        origin,
        created_from: filter.created_from,
        text,
    };
    export::list(turn, &headers, "tasks", move |turn| {
        read(app.clone(), caller.tenant, wanted.clone(), span, turn)
    })
    .await
}

/// The states that are meant; none where all are.
fn states(text: Option<&str>) -> Result<Vec<String>, Problem> {
    let mut states: Vec<String> = Vec::new();
    for name in several("state", text)? {
        let of_group = |is_open: bool| TaskState::ALL.iter().filter(move |state| state.is_end() != is_open);
        match name.as_str() {
            "open" => states.extend(of_group(true).map(|state| state.as_str().to_owned())),
            "ended" => states.extend(of_group(false).map(|state| state.as_str().to_owned())),
            _ if TaskState::parse(&name).is_some() => states.push(name),
            _ => {
                return Err(Problem::new(Code::InvalidQuery, format!("state: there is no state {name:?}"))
                    .field("state", "not a state"));
            }
        }
    }
    states.sort();
    states.dedup();
    Ok(states)
}

/// From where a task was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// From wherever.
    Whatever,
    /// From an incident.
    AnyIncident,
    /// From this one.
    Incident(Uuid),
}

/// The filter as it was read.
#[derive(Clone, Debug)]
struct Wanted {
    states: Vec<String>,
    actions: Vec<String>,
    requester: Option<String>,
    endpoint: Option<Uuid>,
    origin: Origin,
    created_from: Option<String>,
    text: Option<String>,
}

impl Wanted {
    /// What the database chooses by; [`Wanted::keeps`] looks at the rest.
    fn rows(&self) -> task::Filter {
        let one = |list: &[String]| if let [one] = list { Some(one.clone()) } else { None };
        task::Filter {
            state: one(&self.states),
            action: one(&self.actions),
            requester_id: self.requester.clone(),
            endpoint_id: self.endpoint,
            incident_id: match self.origin {
                Origin::Incident(id) => Some(id),
                Origin::Whatever | Origin::AnyIncident => None,
            },
            of_incidents: self.origin == Origin::AnyIncident,
        }
    }

    fn is_by_state_alone(&self) -> bool {
        self.states.len() > 1
            && self.actions.is_empty()
            && self.requester.is_none()
            && self.endpoint.is_none()
            && self.origin == Origin::Whatever
    }

    fn keeps(&self, row: &task::Task) -> bool {
        let any = |list: &[String], value: &String| list.is_empty() || list.contains(value);
        any(&self.states, &row.state)
            && any(&self.actions, &row.action)
            && self.created_from.as_ref().is_none_or(|wanted| {
                row.created_from == *wanted || row.created_from.split('/').next() == Some(wanted)
            })
            && self.text.as_ref().is_none_or(|text| {
                let holds = |held: &str| held.to_lowercase().contains(text);
                holds(&row.reason) || holds(&row.requester_name) || holds(&row.params_public)
            })
    }
}

async fn read(app: App, tenant: Uuid, wanted: Wanted, span: Span, turn: Turn) -> Result<Page<Task>, Problem> {
    let page = turn.page(List::Tasks)?;
    let paged = app
        .store
        .read(move |tx| {
            let rows = wanted.rows();
            let Paged { rows, next } = scan(
                page,
                span,
                |row: &task::Task| row.created_at,
                |row| row.id,
                |row| wanted.keeps(row),
                |page| {
                    if wanted.is_by_state_alone() {
                        task::list_of_states(tx, tenant, &wanted.states, page)
                    } else {
                        task::list(tx, tenant, &rows, page)
                    }
                },
            )?;
            let rows = rows.into_iter().map(|row| Task::read(tx, row)).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, quell_store::Error>(Paged { rows, next })
        })
        .await?;
    Ok(Page::of(List::Tasks, paged, |task| task))
}
