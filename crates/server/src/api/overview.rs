//! `GET /overview`.

use axum::extract::State;
use quell_catalog::{ActionKind, Effect, Standing};
use quell_store::{Error, Page as StorePage, Tx, endpoint, task};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::body::Json;
use super::endpoint::Endpoint;
use super::route::{Route, permit};
use super::scan::{Span, scan};
use super::task::Task;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// Rows of each part.
const MOST: u32 = 200;

/// The route of the overview.
pub(crate) fn routes() -> Vec<Route> {
    vec![permit(Permission::TaskRead, routes!(show_overview))]
}

/// What is changed now, and not changed back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Overview {
    /// Endpoints that are isolated now, at most 200.
    isolated: Vec<Endpoint>,
    /// Tasks with a way back that took effect on at least one target and that no task undoes, newest first, at most
    /// 200 of each action. Not those that themselves give an endpoint back.
    not_undone: Vec<Task>,
    /// Tasks that have not ended, newest first, at most 200 of each state.
    open: Vec<Task>,
    /// Endpoints whose alarm a person should look at, among the 1000 enrolled last.
    alarms: Vec<Endpoint>,
    /// Agents of the tenant that hold a session with this server now.
    connected: usize,
}

/// What was changed and not undone
#[utoipa::path(get, path = "/overview", tag = "tasks", responses((status = 200, body = Overview)))]
async fn show_overview(State(app): State<App>, caller: Caller) -> Result<Json<Overview>, Problem> {
    let tenant = caller.tenant;
    let rows = app.store.read(move |tx| read(tx, tenant)).await?;
    let view = |rows: Vec<endpoint::Endpoint>| rows.into_iter().map(|row| Endpoint::of(&app, row)).collect();
    Ok(Json(Overview {
        isolated: view(rows.isolated),
        alarms: view(rows.alarms),
        not_undone: rows.not_undone.into_iter().map(Task::of).collect(),
        open: rows.open.into_iter().map(Task::of).collect(),
        connected: app.connected_of(tenant),
    }))
}

struct Rows {
    isolated: Vec<endpoint::Endpoint>,
    alarms: Vec<endpoint::Endpoint>,
    not_undone: Vec<task::Task>,
    open: Vec<task::Task>,
}

/// Whether what it did waits to be taken back. What gives an endpoint back could be taken back too, and leaves nothing
/// open.
fn leaves_a_change(kind: ActionKind) -> bool {
    let spec = kind.spec();
    let has_way_back = match spec.effect {
        Effect::Reversible { .. } => true,
        Effect::ReadOnly | Effect::Irreversible => false,
    };
    let gives_back = match spec.standing {
        Some(Standing::Restored) => true,
        Some(Standing::Isolated) | None => false,
    };
    has_way_back && !gives_back
}

fn read(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Rows, Error> {
    let page = StorePage { after: None, limit: MOST };
    let isolated = endpoint::Filter { isolated: Some(true), ..endpoint::Filter::default() };
    let isolated = endpoint::list(tx, tenant, &isolated, page)?.rows;
    let everybody = StorePage { after: None, limit: 1000 };
    let mut alarms = endpoint::list(tx, tenant, &endpoint::Filter::default(), everybody)?.rows;
    alarms.retain(|row| row.alarm.is_some());
    let mut not_undone = Vec::new();
    for kind in ActionKind::ALL {
        if leaves_a_change(*kind) {
            let filter = task::Filter { action: Some(kind.id().to_owned()), ..task::Filter::default() };
            let keep = |row: &task::Task| {
                row.succeeded_count > 0 && row.undone_by.is_none() && row.undo_of.is_none()
            };
            let found = scan(
                page,
                Span::default(),
                |row| row.created_at,
                |row| row.id,
                keep,
                |page| task::list(tx, tenant, &filter, page),
            )?;
            not_undone.extend(found.rows);
        }
    }
    not_undone.sort_by_key(|row| std::cmp::Reverse(row.id));
    let mut open = Vec::new();
    for state in ["pending_approval", "queued", "running"] {
        let filter = task::Filter { state: Some(state.to_owned()), ..task::Filter::default() };
        open.extend(task::list(tx, tenant, &filter, page)?.rows);
    }
    open.sort_by_key(|row| std::cmp::Reverse(row.id));
    Ok(Rows { isolated, alarms, not_undone, open })
}
