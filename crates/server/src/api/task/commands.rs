//! `GET /tasks/{id}/commands`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_engine::CommandState;
use quell_store::{Error, Tx, command, task};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::command::Command;
use crate::api::cursor::{self, List, Page, Turn};
use crate::api::export;
use crate::api::query::{Id, Listing, several};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskRead, routes!(list_task_commands))
}

/// Commands that are read at once.
const STEP: i64 = 200;
/// Commands that are looked at for one page at most.
const MOST: usize = 5_000;

/// Which commands, and how much of each.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// In any of these states, with commas between.
    state: Option<String>,
    /// `row` leaves `outcome` and `evidence` out, which `GET /commands/{id}` has: for long lists.
    view: Option<String>,
}

/// The filter as it was read.
#[derive(Clone, Debug, Default)]
struct Wanted {
    states: Vec<String>,
    is_row: bool,
}

impl Filter {
    fn read(self) -> Result<Wanted, Problem> {
        let states = several("state", self.state.as_deref())?;
        if let Some(unknown) = states.iter().find(|state| CommandState::parse(state).is_none()) {
            return Err(Problem::new(Code::InvalidQuery, format!("state: there is no state {unknown:?}"))
                .field("state", "not a state"));
        }
        match self.view.as_deref() {
            None => Ok(Wanted { states, is_row: false }),
            Some("row") => Ok(Wanted { states, is_row: true }),
            Some(_) => {
                Err(Problem::new(Code::InvalidQuery, "view: `row`, or nothing").field("view", "not a view"))
            }
        }
    }
}

/// The commands of a task, in the order of its targets
#[utoipa::path(get, path = "/tasks/{id}/commands", tag = "tasks", params(("id" = Uuid, Path), Turn, Filter),
    responses((status = 200, body = Page<Command>)))]
pub(super) async fn list_task_commands(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let tenant = caller.tenant;
    let wanted = filter.read()?;
    if app.store.read(move |tx| task::get(tx, tenant, id)).await?.is_none() {
        return Err(Problem::not_found("task"));
    }
    export::list(turn, &headers, "commands", move |turn| page(app.clone(), tenant, id, wanted.clone(), turn))
        .await
}

async fn page(
    app: App,
    tenant: Uuid,
    id: Uuid,
    wanted: Wanted,
    turn: Turn,
) -> Result<Page<Command>, Problem> {
    // By the place among the targets, not by an id.
    let (after, limit) = turn.numbers(List::Commands)?;
    let is_row = wanted.is_row;
    let mut page = app
        .store
        .read(move |tx| {
            if wanted.states.is_empty() {
                return read(tx, tenant, id, after, limit);
            }
            let (rows, next) = choose(tx, tenant, id, &wanted.states, (after, limit))?;
            Ok(Page { items: named(tx, tenant, rows)?, next })
        })
        .await?;
    for command in &mut page.items {
        command.add_progress(&app, tenant);
        if is_row {
            command.leave_report_out();
        }
    }
    Ok(page)
}

/// A page of a task's commands, with the names of their endpoints.
pub(super) fn read(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
    after: i64,
    limit: i64,
) -> Result<Page<Command>, Error> {
    let mut rows = command::of_task(tx, tenant, id, after, limit + 1)?;
    let next = cursor::cut(List::Commands, &mut rows, limit, |row| row.leaf_index);
    Ok(Page { items: named(tx, tenant, rows)?, next })
}

/// Commands in one of these states: no index has them, so a bounded number is looked at in the order of the targets.
fn choose(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
    states: &[String],
    (mut after, limit): (i64, i64),
) -> Result<(Vec<command::Command>, Option<String>), Error> {
    let mut chosen = Vec::new();
    let mut seen = 0;
    loop {
        let rows = command::of_task(tx, tenant, id, after, STEP)?;
        let is_last = (rows.len() as i64) < STEP;
        for row in rows {
            if chosen.len() as i64 == limit || seen == MOST {
                return Ok((chosen, Some(cursor::after_number(List::Commands, after))));
            }
            after = row.leaf_index;
            seen += 1;
            if states.contains(&row.state) {
                chosen.push(row);
            }
        }
        if is_last {
            return Ok((chosen, None));
        }
    }
}

fn named(tx: &mut Tx<'_>, tenant: Uuid, rows: Vec<command::Command>) -> Result<Vec<Command>, Error> {
    let mut names: HashMap<Uuid, String> = HashMap::new();
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let name = match names.entry(row.endpoint_id) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => {
                let found = quell_engine::service::shown(tx, tenant, row.endpoint_id)?;
                place.insert(found.unwrap_or_default()).clone()
            }
        };
        items.push(Command::of(row, name));
    }
    Ok(items)
}
