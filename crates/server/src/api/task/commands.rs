//! `GET /tasks/{id}/commands`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::{Error, Tx, command, endpoint, task};
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::command::Command;
use crate::api::cursor::{self, List, Page, Turn};
use crate::api::export;
use crate::api::query::{Id, Query};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskRead, routes!(list_task_commands))
}

/// The commands of a task, in the order of its targets
#[utoipa::path(get, path = "/tasks/{id}/commands", tag = "tasks", params(("id" = Uuid, Path), Turn),
    responses((status = 200, body = Page<Command>)))]
pub(super) async fn list_task_commands(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
    Query(turn): Query<Turn>,
) -> Result<Response, Problem> {
    let tenant = caller.tenant;
    if app.store.read(move |tx| task::get(tx, tenant, id)).await?.is_none() {
        return Err(Problem::not_found("task"));
    }
    export::list(turn, &headers, "commands", move |turn| page(app.clone(), tenant, id, turn)).await
}

async fn page(app: App, tenant: Uuid, id: Uuid, turn: Turn) -> Result<Page<Command>, Problem> {
    // By the place among the targets, not by an id.
    let (after, limit) = turn.numbers(List::Commands)?;
    let mut page = app.store.read(move |tx| read(tx, tenant, id, after, limit)).await?;
    for command in &mut page.items {
        command.add_progress(&app, tenant);
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
    let mut names: HashMap<Uuid, String> = HashMap::new();
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        let name = match names.entry(row.endpoint_id) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => {
                let found = endpoint::get(tx, tenant, row.endpoint_id)?;
                place.insert(found.map_or_else(String::new, |row| row.name)).clone()
            }
        };
        items.push(Command::of(row, name));
    }
    Ok(Page { items, next })
}
