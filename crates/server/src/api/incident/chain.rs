//! `GET /incidents/{id}/chain`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use axum::extract::{Path, State};
use quell_incident::View;
use quell_store::chain::{self as store, rows};
use quell_store::{Error, Tx, detection, incident};
use quell_wire::limits;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Activity, Process, named};
use crate::api::body::Json;
use crate::api::detection::Named;
use crate::api::query::{Query, parse_id};
use crate::api::route::{Route, permit};
use crate::api::time;
use crate::auth::{Caller, Permission};
use crate::incident::gather::{self, Depth};
use crate::incident::{CHAINS, word};
use crate::problem::Problem;
use crate::state::App;

/// Processes of one answer; a chain that begins below is told whole.
const PROCESSES: usize = 5_000;
/// Key activity events of one answer.
const KEYS: usize = 1_000;

pub(super) fn route() -> Route {
    permit(Permission::IncidentRead, routes!(show_incident_chain))
}

/// A threat development chain.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Chain {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// Where it was built.
    endpoint: Named,
    /// What the endpoint calls it.
    name: String,
    /// The boot that its processes belong to.
    boot_id: String,
    /// Process id of its topmost process.
    root_pid: i64,
    /// When that started, clock ticks since boot.
    root_start: i64,
    /// When its first update came.
    #[schema(format = DateTime)]
    opened_at: String,
    /// When its newest update came.
    #[schema(format = DateTime)]
    updated_at: String,
    /// Nothing more comes, or is wanted.
    closed: bool,
    /// How many processes it has.
    process_count: i64,
    /// How many activity events.
    activity_count: i64,
    /// How many detections.
    detection_count: i64,
    /// What it lacks.
    gaps: Gaps,
}

/// What a chain lacks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Gaps {
    /// Events that nobody on the endpoint could take in time while the chain was open.
    lost: i64,
    /// Processes that the endpoint left out, beyond the limit of a chain.
    processes_beyond: i64,
    /// Activity events that the endpoint left out.
    activities_beyond: i64,
    /// What came here and was beyond the limits of a chain.
    dropped: i64,
    /// Its beginning was older than what the endpoint keeps.
    begins_late: bool,
    /// Files of the endpoint that came and went with their directory while the chain was open, so that nobody could look at them.
    vanished_files: i64,
}

/// The processes of an incident, as trees.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentChain {
    /// Its chains, oldest first.
    chains: Vec<Chain>,
    /// Their processes, chain by chain, each before its children, children in the order in which they started: a list that can
    /// be drawn as a tree as it comes.
    processes: Vec<Process>,
    /// The activity events on which something was detected, in order of time.
    key_activities: Vec<Activity>,
    /// There are more processes or key events than one answer holds: ask chain by chain.
    cut: bool,
}

/// Which chains.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// This chain alone.
    chain: Option<String>,
}

impl Chain {
    /// The view of a row.
    pub fn of(row: &store::Chain, endpoint: Named) -> Self {
        Self {
            id: row.id.to_string(),
            endpoint,
            name: row.name.clone(),
            boot_id: row.boot_id.clone(),
            root_pid: row.root_pid,
            root_start: row.root_start,
            opened_at: time::text(row.opened_at),
            updated_at: time::text(row.updated_at),
            closed: row.is_closed,
            process_count: row.processes,
            activity_count: row.activities,
            detection_count: row.detections,
            gaps: Gaps {
                lost: row.lost,
                processes_beyond: row.processes_beyond,
                activities_beyond: row.activities_beyond,
                dropped: row.dropped,
                begins_late: row.begins_late,
                vanished_files: row.vanished_files,
            },
        }
    }

    /// The chains of an incident, oldest first, with their rows.
    pub fn of_incident(
        tx: &mut Tx<'_>,
        incident: &incident::Incident,
    ) -> Result<Vec<(Self, store::Chain)>, Error> {
        let rows = store::of_incident(tx, incident.tenant_id, incident.id, CHAINS)?;
        let mut names: BTreeMap<Uuid, Named> = BTreeMap::new();
        let mut chains = Vec::with_capacity(rows.len());
        for row in rows {
            if let Entry::Vacant(place) = names.entry(row.endpoint_id) {
                place.insert(Named::endpoint(tx, row.tenant_id, row.endpoint_id)?);
            }
            let Some(endpoint) = names.get(&row.endpoint_id) else { continue };
            chains.push((Self::of(&row, endpoint.clone()), row));
        }
        Ok(chains)
    }

    /// Where it was built.
    pub fn endpoint(&self) -> &Named {
        &self.endpoint
    }
}

/// The threat development chain of an incident: its processes as trees
#[utoipa::path(get, path = "/incidents/{id}/chain", tag = "incidents",
    params(("id" = String, Path, description = "Its id, or its number"), Filter),
    responses((status = 200, body = IncidentChain)))]
pub(super) async fn show_incident_chain(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<Json<IncidentChain>, Problem> {
    let only = match filter.chain.as_deref() {
        Some(text) => Some(parse_id(text).ok_or_else(|| super::bad("chain", "not an id"))?),
        None => None,
    };
    let tenant = caller.tenant;
    let view = app.store.read(move |tx| {
        let incident = named(tx, tenant, &name)?;
        let mut chains = Chain::of_incident(tx, &incident)?;
        if let Some(only) = only {
            chains.retain(|(_, row)| row.id == only);
            if chains.is_empty() {
                return Err(Problem::not_found("chain"));
            }
        }
        Ok::<_, Problem>(read(tx, chains)?)
    });
    view.await.map(Json)
}

fn read(tx: &mut Tx<'_>, chains: Vec<(Chain, store::Chain)>) -> Result<IncidentChain, Error> {
    let mut all =
        IncidentChain { chains: Vec::new(), processes: Vec::new(), key_activities: Vec::new(), cut: false };
    for (view, row) in chains {
        if all.processes.len() < PROCESSES && all.key_activities.len() < KEYS {
            add(tx, &mut all, &view, &row)?;
        } else {
            all.cut = true;
        }
        all.chains.push(view);
    }
    all.key_activities.sort_by(|one, other| one.moment().cmp(&other.moment()));
    Ok(all)
}

/// Adds processes and key events of one chain.
fn add(tx: &mut Tx<'_>, all: &mut IncidentChain, view: &Chain, row: &store::Chain) -> Result<(), Error> {
    let stored = gather::chain(tx, row, Depth::Keys)?;
    let tree = View::of(&stored);
    let mut counts: BTreeMap<(i64, i64), Vec<(String, i64)>> = BTreeMap::new();
    for count in rows::counts(tx, row.tenant_id, row.id)? {
        counts.entry((count.pid, count.start)).or_default().push((count.kind, count.count));
    }
    for node in &tree.nodes {
        let mut process = Process::of(row.id, node);
        for (kind, count) in counts.remove(&process.key()).unwrap_or_default() {
            if word::KINDS.contains(&kind.as_str()) {
                process.count(kind, count);
            }
        }
        all.processes.push(process);
    }
    let marks = detection::marks(tx, row.tenant_id, row.id, limits::CHAIN_DETECTIONS as i64)?;
    for entry in &tree.entries {
        let id = i64::try_from(entry.activity.id).unwrap_or(i64::MAX);
        let Some(stored) = rows::activity(tx, row.tenant_id, row.id, id)? else { continue };
        let process = entry.node.and_then(|place| tree.nodes.get(place)).and_then(|node| node.process);
        all.key_activities.extend(Activity::of(&stored, view.endpoint().clone(), process, &marks));
    }
    Ok(())
}
