//! Incidents, as the API shows them.

mod activity;
mod chain;
mod change;
mod cut;
mod event;
mod export;
mod list;
mod merge;
mod note;
mod offer;
mod process;
mod respond;
mod sentence;
mod show;
mod timeline;

use quell_engine::Change;
use quell_store::incident::{self as store, group};
use quell_store::{Error, Tx};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::detection::{Named, Numbered};
use super::export::Cells;
use super::query::{bad, parse_id, several};
use super::route::Route;
use super::time;
use crate::incident::word;
use crate::problem::Problem;
use crate::state::{App, Inner};

pub(super) use activity::Activity;
pub(super) use offer::{Offers, of_detection};
pub(super) use process::Process;
pub(super) use show::not_yours;

/// Endpoints that a row names.
const ENDPOINTS: i64 = 10;
/// Techniques that a row names.
const TECHNIQUES: i64 = 32;

/// The routes of incidents.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        list::route(),
        show::route(),
        change::route(),
        note::list_route(),
        note::add_route(),
        note::edit_route(),
        note::remove_route(),
        chain::route(),
        timeline::route(),
        event::route(),
        respond::route(),
        respond::preview_route(),
        cut::show_route(),
        cut::ask_route(),
        export::route(),
        merge::route(),
    ]
}

/// What belongs together of what was detected, and what people make of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Incident {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// What people call it.
    number: i64,
    /// What happened, in a line.
    title: String,
    /// `informational`, `low`, `medium`, `high` or `critical`.
    severity: &'static str,
    /// `open`, `in_progress` or `closed`.
    state: String,
    /// What it turned out to be, once it is closed: `true_positive`, `false_positive`, `benign` or `duplicate`.
    resolution: Option<String>,
    /// Whose work it is.
    assignee: Option<Named>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When its first detection happened.
    #[schema(format = DateTime)]
    first_at: String,
    /// When its last detection happened.
    #[schema(format = DateTime)]
    last_at: String,
    /// When it was closed.
    #[schema(format = DateTime)]
    closed_at: Option<String>,
    /// By whom.
    closed_by: Option<String>,
    /// The incident that took it over.
    merged_into: Option<Numbered>,
    /// How many detections it has.
    detection_count: i64,
    /// How many chains.
    chain_count: i64,
    /// How many endpoints.
    endpoint_count: i64,
    /// How many notes.
    note_count: i64,
    /// How many tasks were asked for from it.
    task_count: i64,
    /// Its endpoints, those with the latest detections first, at most 10.
    endpoints: Vec<Member>,
    /// Techniques of ATT&CK that its rules name, at most 32.
    techniques: Vec<String>,
}

/// An endpoint of an incident.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Member {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// Its name now.
    name: String,
    /// Its agent holds a session now.
    connected: bool,
    /// Whether it is isolated.
    isolated: bool,
    /// How many detections of the incident it has.
    detection_count: i64,
}

impl Incident {
    /// The view of a row.
    pub fn read(tx: &mut Tx<'_>, app: &Inner, row: store::Incident) -> Result<Self, Error> {
        let (tenant, id) = (row.tenant_id, row.id);
        let counts = store::counts(tx, tenant, id)?;
        let members = group::members(tx, tenant, id, ENDPOINTS)?;
        let merged_into = match row.merged_into {
            Some(into) => Numbered::read(tx, tenant, into)?,
            None => None,
        };
        let assignee = row
            .assignee_id
            .map(|id| Named { id: id.to_string(), name: row.assignee_name.clone().unwrap_or_default() });
        Ok(Self {
            id: id.to_string(),
            number: row.number,
            title: row.title,
            severity: word::severity(row.severity),
            state: row.state,
            resolution: row.resolution,
            assignee,
            created_at: time::text(row.created_at),
            first_at: time::text(row.first_at),
            last_at: time::text(row.last_at),
            closed_at: time::maybe(row.closed_at),
            closed_by: row.closed_by,
            merged_into,
            detection_count: row.detections,
            chain_count: counts.chains,
            endpoint_count: counts.endpoints,
            note_count: counts.notes,
            task_count: counts.tasks,
            endpoints: members.into_iter().map(|member| Member::of(app, member)).collect(),
            techniques: group::techniques(tx, tenant, id, TECHNIQUES)?,
        })
    }
}

impl Member {
    fn of(app: &Inner, row: group::Member) -> Self {
        Self {
            connected: app.is_connected(row.endpoint_id),
            id: row.endpoint_id.to_string(),
            name: row.name,
            isolated: row.is_isolated,
            detection_count: row.detections,
        }
    }
}

impl Cells for Incident {
    const COLUMNS: &'static [&'static str] = &[
        "number",
        "title",
        "severity",
        "state",
        "resolution",
        "assignee",
        "endpoints",
        "techniques",
        "detections",
        "created_at",
        "first_at",
        "last_at",
        "closed_at",
        "closed_by",
        "id",
    ];

    fn cells(&self) -> Vec<String> {
        let endpoints: Vec<&str> = self.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
        vec![
            self.number.to_string(),
            self.title.clone(),
            self.severity.to_owned(),
            self.state.clone(),
            self.resolution.clone().unwrap_or_default(),
            self.assignee.as_ref().map(|assignee| assignee.name.clone()).unwrap_or_default(),
            endpoints.join(" "),
            self.techniques.join(" "),
            self.detection_count.to_string(),
            self.created_at.clone(),
            self.first_at.clone(),
            self.last_at.clone(),
            self.closed_at.clone().unwrap_or_default(),
            self.closed_by.clone().unwrap_or_default(),
            self.id.clone(),
        ]
    }
}

/// The incident that a path or a query names, by its id or its number.
pub(super) fn named(tx: &mut Tx<'_>, tenant: Uuid, name: &str) -> Result<store::Incident, Problem> {
    let found = match (parse_id(name), name.parse::<i64>()) {
        (Some(id), _) => store::get(tx, tenant, id)?,
        (None, Ok(number)) => store::by_number(tx, tenant, number)?,
        (None, Err(_)) => None,
    };
    found.ok_or_else(|| Problem::not_found("incident"))
}

/// The id of the incident that a query names.
pub(super) async fn find(app: &App, tenant: Uuid, name: &str) -> Result<Uuid, Problem> {
    if let Some(id) = parse_id(name) {
        return Ok(id);
    }
    let name = name.to_owned();
    app.store.read(move |tx| named(tx, tenant, &name).map(|row| row.id)).await
}

/// Tells those who watch.
fn tell(app: &App, row: &store::Incident) {
    let change: Change = crate::incident::news(row);
    app.engine.changes().tell(change);
}

/// Words of a list that is known, with spaces between and around, as the store takes them.
pub(super) fn words(field: &str, text: Option<&str>, known: &[&str]) -> Result<Option<String>, Problem> {
    let words = several(field, text)?;
    if words.iter().any(|word| !known.contains(&word.as_str())) {
        return Err(bad(field, &format!("must be of {}", known.join(", "))));
    }
    Ok((!words.is_empty()).then(|| format!(" {} ", words.join(" "))))
}

/// Severities as the store takes them.
pub(super) fn severities(text: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(words) = words("severity", text, &word::SEVERITIES)? else { return Ok(None) };
    let numbers = words.split_whitespace().filter_map(word::severity_of);
    Ok(Some(numbers.fold(String::from(" "), |text, number| format!("{text}{number} "))))
}
