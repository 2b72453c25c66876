//! `GET /incidents/{id}/export`: an incident as a file.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, header};
use quell_incident::export::{self, Note, Report, ResponseAction};
use quell_incident::{Chain, Setting, View};
use quell_store::chain::Chain as ChainRow;
use quell_store::incident::{self as store, note};
use quell_store::task::{self, Filter as Tasks};
use quell_store::{Error, Page, Tx, chain, command, tenant};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use super::named;
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::incident::gather::{self, Depth};
use crate::incident::{CHAINS, word};
use crate::problem::{Code, Problem};
use crate::state::{App, Inner};

/// Activity events of one export. Chains beyond are told by their key events alone.
const ACTIVITIES: i64 = 60_000;
/// Notes and tasks of one export.
const ROWS: u32 = 1_000;

pub(super) fn route() -> Route {
    permit(Permission::IncidentRead, routes!(export_incident))
}

/// In which form.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// `json` for all that is known, `stix` for a bundle of STIX 2.1, `html` for a page to read and print; `json` where absent.
    format: Option<String>,
}

/// What an export is made of.
struct Gathered {
    incident: store::Incident,
    tenant: String,
    chains: Vec<Chain>,
    setting: Setting,
    actions: Vec<ResponseAction>,
    notes: Vec<Note>,
}

/// An incident as a file
#[utoipa::path(get, path = "/incidents/{id}/export", tag = "incidents",
    params(("id" = String, Path, description = "Its id, or its number"), Filter),
    responses((status = 200, content_type = "application/json", body = String)))]
pub(super) async fn export_incident(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    let format = Format::of(filter.format.as_deref().unwrap_or("json"))?;
    let shown = app.clone();
    let gathered = app.store.read(move |tx| {
        let incident = named(tx, caller.tenant, &name)?;
        Ok::<_, Problem>(Gathered::read(tx, &shown, incident)?)
    });
    let (gathered, now) = (gathered.await?, app.now());
    let number = gathered.incident.number;
    // What it takes is a second of work for a large incident: not on a thread that answers others.
    let made = tokio::task::spawn_blocking(move || gathered.write(format, now));
    let text = made.await.map_err(|error| Problem::internal(&error))??;
    Ok(format.answer(number, text))
}

/// The forms that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Stix,
    Html,
}

impl Format {
    fn of(text: &str) -> Result<Self, Problem> {
        match text {
            "json" => Ok(Self::Json),
            "stix" => Ok(Self::Stix),
            "html" => Ok(Self::Html),
            _ => Err(Problem::new(Code::NotAcceptable, format!("there is no format {text:?}"))
                .hint("Use json, stix or html.")),
        }
    }

    fn answer(self, number: i64, text: String) -> Response {
        let (kind, name) = match self {
            Self::Json => ("application/json", format!("incident-{number}.json")),
            Self::Stix => ("application/stix+json;version=2.1", format!("incident-{number}.stix.json")),
            Self::Html => ("text/html; charset=utf-8", format!("incident-{number}.html")),
        };
        let mut response = text.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
            headers.insert(header::CONTENT_DISPOSITION, value);
        }
        headers
            .insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        response
    }
}

impl Gathered {
    fn read(tx: &mut Tx<'_>, app: &Inner, incident: store::Incident) -> Result<Self, Error> {
        let (tenant, id) = (incident.tenant_id, incident.id);
        let rows = chain::of_incident(tx, tenant, id, CHAINS)?;
        let endpoints = rows.iter().map(|row| row.endpoint_id).collect::<std::collections::BTreeSet<_>>();
        let kept = app.addresses.current();
        let setting = gather::setting(tx, tenant, endpoints, |id| app.is_connected(id), &kept)?;
        Ok(Self {
            chains: chains(tx, &rows)?,
            setting,
            actions: actions(tx, tenant, id)?,
            notes: notes(tx, tenant, id)?,
            tenant: tenant::get(tx, tenant)?.map_or_else(String::new, |row| row.name),
            incident,
        })
    }

    fn write(&self, format: Format, now: i64) -> Result<String, Problem> {
        let row = &self.incident;
        let incident = export::Incident {
            id: row.id.to_string(),
            number: row.number.unsigned_abs(),
            title: row.title.clone(),
            severity: word::severity(row.severity).to_owned(),
            status: row.state.clone(),
            resolution: row.resolution.clone(),
            assignee: row.assignee_name.clone(),
            first_at_us: row.first_at,
            last_at_us: row.last_at,
        };
        let views: Vec<View<'_>> = self.chains.iter().map(View::of).collect();
        let report = Report {
            tenant: &self.tenant,
            incident: &incident,
            views: &views,
            setting: &self.setting,
            actions: &self.actions,
            notes: &self.notes,
            made_at_us: now,
        };
        let value = match format {
            Format::Html => return Ok(export::html(&report)),
            Format::Json => export::json(&report),
            Format::Stix => export::stix(&report),
        };
        serde_json::to_string_pretty(&value).map_err(|error| Problem::internal(&error))
    }
}

/// The chains of these rows, as whole as there is room.
pub(super) fn chains(tx: &mut Tx<'_>, rows: &[ChainRow]) -> Result<Vec<Chain>, Error> {
    let mut room = ACTIVITIES;
    let mut chains = Vec::with_capacity(rows.len());
    for row in rows {
        let depth = if row.activities <= room { Depth::Whole } else { Depth::Keys };
        room -= if depth == Depth::Whole { row.activities } else { 0 };
        chains.push(gather::chain(tx, row, depth)?);
    }
    Ok(chains)
}

fn notes(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid) -> Result<Vec<Note>, Error> {
    let rows = note::list(tx, tenant, incident, Page { after: None, limit: ROWS })?.rows;
    let note = |row: note::Note| Note {
        id: row.id.to_string(),
        author: row.author_name,
        at_us: row.created_at,
        text: row.body,
    };
    Ok(rows.into_iter().rev().map(note).collect())
}

fn actions(tx: &mut Tx<'_>, tenant: Uuid, incident: Uuid) -> Result<Vec<ResponseAction>, Error> {
    let filter = Tasks { incident_id: Some(incident), ..Tasks::default() };
    let rows = task::list(tx, tenant, &filter, Page { after: None, limit: ROWS })?.rows;
    let mut actions = Vec::with_capacity(rows.len());
    for row in rows.into_iter().rev() {
        let target = command::targets(tx, tenant, row.id, 1)?.into_iter().next();
        actions.push(ResponseAction {
            task: row.id.to_string(),
            action: row.action,
            object: row.params_public,
            endpoint: target.map(|target| target.name).filter(|name| !name.is_empty()),
            state: row.state,
            requested_by: row.requester_name,
            requested_at_us: row.created_at,
            ended_at_us: row.ended_at,
        });
    }
    Ok(actions)
}
