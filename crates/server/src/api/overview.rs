//! `GET /overview`.

mod not_undone;

use axum::extract::State;
use quell_store::{Error, Page as StorePage, Tx, endpoint, incident, task};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::body::Json;
use super::endpoint::Endpoint;
use super::route::{Route, permit};
use super::task::Task;
use crate::auth::{Caller, Permission};
use crate::incident::word;
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
    /// Tasks with a way back whose effect stands on at least one target, newest first, at most 200 of each action:
    /// isolations by which an endpoint is isolated now, and those that may stand, since nobody knows how they ended
    /// and nothing settled it since. Not those that themselves give an endpoint back.
    not_undone: Vec<Task>,
    /// Tasks that have not ended, newest first, at most 200 of each state.
    open: Vec<Task>,
    /// Endpoints with an alarm, which a person should look at and acknowledge, at most 200.
    alarms: Vec<Endpoint>,
    /// Incidents that are not closed, by severity, the worst first; absent for who may not read incidents.
    #[serde(skip_serializing_if = "Option::is_none")]
    incidents: Option<Vec<SeverityCount>>,
    /// Agents of the tenant that hold a session with this server now.
    connected: usize,
}

/// How many incidents of a severity.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SeverityCount {
    /// `informational`, `low`, `medium`, `high` or `critical`.
    severity: &'static str,
    /// At least 1.
    count: u64,
}

/// What was changed and not undone
#[utoipa::path(get, path = "/overview", tag = "tasks", responses((status = 200, body = Overview)))]
async fn show_overview(State(app): State<App>, caller: Caller) -> Result<Json<Overview>, Problem> {
    let tenant = caller.tenant;
    let sees_incidents = caller.access().allows(Permission::IncidentRead);
    let rows = app.store.read(move |tx| read(tx, tenant, sees_incidents)).await?;
    let view = |rows: Vec<endpoint::Endpoint>| rows.into_iter().map(|row| Endpoint::of(&app, row)).collect();
    Ok(Json(Overview {
        isolated: view(rows.isolated),
        alarms: view(rows.alarms),
        not_undone: rows.not_undone,
        open: rows.open,
        incidents: rows.incidents,
        connected: app.connected_of(tenant),
    }))
}

struct Rows {
    isolated: Vec<endpoint::Endpoint>,
    alarms: Vec<endpoint::Endpoint>,
    not_undone: Vec<Task>,
    open: Vec<Task>,
    incidents: Option<Vec<SeverityCount>>,
}

fn read(tx: &mut Tx<'_>, tenant: Uuid, sees_incidents: bool) -> Result<Rows, Error> {
    let page = StorePage { after: None, limit: MOST };
    let isolated = endpoint::Filter { isolated: Some(true), ..endpoint::Filter::default() };
    let isolated = endpoint::list(tx, tenant, &isolated, page)?.rows;
    let alarmed = endpoint::Filter { alarm: Some(true), ..endpoint::Filter::default() };
    let alarms = endpoint::list(tx, tenant, &alarmed, page)?.rows;
    let not_undone = not_undone::read(tx, tenant)?;
    let mut open = Vec::new();
    for state in ["pending_approval", "queued", "running"] {
        let filter = task::Filter { state: Some(state.to_owned()), ..task::Filter::default() };
        open.extend(task::list(tx, tenant, &filter, page)?.rows);
    }
    open.sort_by_key(|row| std::cmp::Reverse(row.id));
    let mut view =
        |rows: Vec<task::Task>| rows.into_iter().map(|row| Task::read(tx, row)).collect::<Result<_, _>>();
    let (not_undone, open) = (view(not_undone)?, view(open)?);
    let incidents = if sees_incidents { Some(unclosed(tx, tenant)?) } else { None };
    Ok(Rows { isolated, alarms, not_undone, open, incidents })
}

fn unclosed(tx: &mut Tx<'_>, tenant: Uuid) -> Result<Vec<SeverityCount>, Error> {
    let counted = incident::list::unclosed(tx, tenant)?.into_iter();
    Ok(counted.map(|(severity, count)| SeverityCount { severity: word::severity(severity), count }).collect())
}
