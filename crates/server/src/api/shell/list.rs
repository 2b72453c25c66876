//! `GET /shells`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::{Error, Paged, shell};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Shell;
use crate::api::cursor::{List, Page, Turn};
use crate::api::query::Listing;
use crate::api::route::{Route, permit};
use crate::api::scan::{Span, scan};
use crate::api::{export, targets};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskRead, routes!(list_shells))
}

/// Which shells.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// On this endpoint: its id, or its name where only one has it.
    endpoint: Option<String>,
    /// `open` (their endpoint may be away) or `ended`.
    state: Option<String>,
}

/// Remote shells, open ones and past ones, newest first
#[utoipa::path(get, path = "/shells", tag = "shells", params(Turn, Filter),
    responses((status = 200, body = Page<Shell>)))]
pub(super) async fn list_shells(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let endpoint = match &filter.endpoint {
        Some(name) => Some(targets::find_one(&app, caller.tenant, name).await?),
        None => None,
    };
    let is_ended = match filter.state.as_deref() {
        None => None,
        Some("open") => Some(false),
        Some("ended") => Some(true),
        Some(_) => return Err(Problem::new(Code::InvalidQuery, "state: must be open or ended")),
    };
    let wanted = Wanted { endpoint, is_ended };
    export::list(turn, &headers, "shells", move |turn| read(app.clone(), caller.tenant, wanted, turn)).await
}

#[derive(Clone, Copy)]
struct Wanted {
    endpoint: Option<Uuid>,
    is_ended: Option<bool>,
}

async fn read(app: App, tenant: Uuid, wanted: Wanted, turn: Turn) -> Result<Page<Shell>, Problem> {
    let page = turn.page(List::Shells)?;
    let mut paged = app
        .store
        .read(move |tx| {
            let keep = |row: &shell::Shell| {
                wanted.endpoint.is_none_or(|endpoint| endpoint == row.endpoint_id)
                    && wanted.is_ended.is_none_or(|is_ended| is_ended == row.ended_at.is_some())
            };
            let Paged { rows, next } = scan(
                page,
                Span::default(),
                |row| row.began_at,
                |row| row.id,
                keep,
                |page| shell::list(tx, tenant, page),
            )?;
            let rows = rows.into_iter().map(|row| Shell::read(tx, row)).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, Error>(Paged { rows, next })
        })
        .await?;
    for shell in &mut paged.rows {
        shell.add_live(&app, tenant);
    }
    Ok(Page::of(List::Shells, paged, |shell| shell))
}
