//! `GET /artifacts`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::Paged;
use quell_store::artifact::{self, Of};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Artifact;
use crate::api::cursor::{List, Page, Turn};
use crate::api::query::{Listing, parse_id};
use crate::api::route::{Route, permit};
use crate::api::scan::{Span, scan};
use crate::api::{export, targets};
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
    /// Of this endpoint: its id, or its name where only one has it.
    endpoint: Option<String>,
    /// In this state.
    state: Option<String>,
    /// Of this kind: `archive`, `file`, `recording` or `rows`. Parts of rows are listed only where they are asked for, with
    /// their task.
    kind: Option<String>,
}

/// Artifacts, newest first
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
    let endpoint = match &filter.endpoint {
        Some(name) => Some(targets::find_one(&app, caller.tenant, name).await?),
        None => None,
    };
    let of = match (filter.kind.as_deref(), task, endpoint) {
        (Some("rows"), Some(task), _) => Of::RowsOfTask(task),
        (Some("rows"), None, _) => {
            return Err(Problem::new(Code::InvalidQuery, "kind: rows are listed with their `task`"));
        }
        (None | Some("archive" | "file" | "recording"), Some(task), _) => Of::Task(task),
        (None | Some("archive" | "file" | "recording"), None, Some(endpoint)) => Of::Endpoint(endpoint),
        (None | Some("archive" | "file" | "recording"), None, None) => Of::Tenant,
        (Some(_), ..) => {
            return Err(Problem::new(Code::InvalidQuery, "kind: must be archive, file, recording or rows"));
        }
    };
    let wanted = Wanted { of, endpoint, state: filter.state, kind: filter.kind };
    export::list(turn, &headers, "artifacts", move |turn| {
        read(app.clone(), caller.tenant, wanted.clone(), turn)
    })
    .await
}

#[derive(Clone)]
struct Wanted {
    of: Of,
    endpoint: Option<Uuid>,
    state: Option<String>,
    kind: Option<String>,
}

async fn read(app: App, tenant: Uuid, wanted: Wanted, turn: Turn) -> Result<Page<Artifact>, Problem> {
    let page = turn.page(List::Artifacts)?;
    let paged = app
        .store
        .read(move |tx| {
            let Wanted { of, endpoint, state, kind } = wanted;
            let keep = |row: &artifact::Artifact| {
                state.as_ref().is_none_or(|state| *state == row.state)
                    && kind.as_ref().is_none_or(|kind| *kind == row.kind)
                    && endpoint.is_none_or(|endpoint| endpoint == row.endpoint_id)
            };
            let Paged { rows, next } = scan(
                page,
                Span::default(),
                |row| row.created_at,
                |row| row.id,
                keep,
                |page| artifact::list(tx, tenant, of, page),
            )?;
            let rows = rows.into_iter().map(|row| Artifact::read(tx, row)).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, quell_store::Error>(Paged { rows, next })
        })
        .await?;
    Ok(Page::of(List::Artifacts, paged, |artifact| artifact))
}
