//! `GET /incidents/{id}/activity/{chain}/{activity}`: one activity event, and what may be done about it.

use axum::extract::{Path, State};
use quell_incident::View;
use quell_store::chain::rows;
use quell_store::task::{self, Filter};
use quell_store::{Page, Tx, detection, incident as store};
use quell_wire::limits;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::offer::{Of, Offers, chain_of, of_part};
use super::show::not_yours;
use super::{Activity, Process, named};
use crate::api::body::Json;
use crate::api::detection::Named;
use crate::api::query::parse_id;
use crate::api::route::{Route, permit};
use crate::api::task::Task;
use crate::auth::{Caller, Permission};
use crate::incident::gather::{self, Depth};
use crate::problem::Problem;
use crate::state::{App, Inner};

/// Tasks of an incident that are looked through for those about one event.
const TASKS: u32 = 1_000;

pub(super) fn route() -> Route {
    permit(Permission::IncidentRead, routes!(show_incident_activity))
}

/// An activity event with who did it, and what may be done about it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WholeActivity {
    #[serde(flatten)]
    activity: Activity,
    /// Who did it, as part of the chain; `null` where the chain does not have them.
    doer: Option<Process>,
    /// What may be done about it.
    offers: Offers,
    /// Why the caller may not ask for any of it; `null` where they may.
    not_yours: Option<String>,
    /// What was asked for on it, newest first.
    tasks: Vec<Task>,
}

/// One activity event of an incident, and what may be done about it
#[utoipa::path(get, path = "/incidents/{id}/activity/{chain}/{activity}", tag = "incidents",
    params(("id" = String, Path, description = "Id or number of the incident"), ("chain" = Uuid, Path),
        ("activity" = i64, Path)),
    responses((status = 200, body = WholeActivity)))]
pub(super) async fn show_incident_activity(
    State(app): State<App>,
    caller: Caller,
    Path((incident, chain, activity)): Path<(String, String, String)>,
) -> Result<Json<WholeActivity>, Problem> {
    let chain = parse_id(&chain).ok_or_else(|| Problem::not_found("chain"))?;
    let activity: i64 = activity.parse().map_err(|_| Problem::not_found("activity event"))?;
    let shown = app.clone();
    let read = app.store.read(move |tx| {
        let incident = named(tx, caller.tenant, &incident)?;
        read(tx, &shown, &caller, (incident, chain, activity))
    });
    read.await.map(Json)
}

fn read(
    tx: &mut Tx<'_>,
    app: &Inner,
    caller: &Caller,
    (incident, chain, activity): (store::Incident, uuid::Uuid, i64),
) -> Result<WholeActivity, Problem> {
    let absent = || Problem::not_found("activity event");
    let chain = chain_of(tx, &incident, chain)?;
    let row = rows::activity(tx, chain.tenant_id, chain.id, activity)?.ok_or_else(absent)?;
    let stored = gather::chain(tx, &chain, Depth::Keys)?;
    let tree = View::of(&stored);
    let node = tree.node(gather::key(row.pid, row.start));
    let marks = detection::marks(tx, chain.tenant_id, chain.id, limits::CHAIN_DETECTIONS as i64)?;
    let endpoint = Named::endpoint(tx, chain.tenant_id, chain.endpoint_id)?;
    let process = node.and_then(|node| node.process);
    let view = Activity::of(&row, endpoint.clone(), process, &marks).ok_or_else(absent)?;
    let offers = of_part(tx, app, &chain, Of::Activity(activity.unsigned_abs()))?;
    let about = format!("{}/{activity}", chain.id);
    let filter = Filter { incident_id: Some(incident.id), ..Filter::default() };
    let asked = task::list(tx, caller.tenant, &filter, Page { after: None, limit: TASKS })?;
    let own = asked.rows.into_iter().filter(|task| task.activity.as_ref() == Some(&about));
    let tasks = if caller.access().allows(Permission::TaskRead) {
        own.map(|task| Task::read(tx, task)).collect::<Result<_, _>>()?
    } else {
        Vec::new()
    };
    Ok(WholeActivity {
        activity: view,
        doer: node.map(|node| Process::of(chain.id, node)),
        offers: Offers::of(offers, &endpoint),
        not_yours: not_yours(caller),
        tasks,
    })
}
