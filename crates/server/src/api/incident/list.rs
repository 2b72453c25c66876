//! `GET /incidents`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use quell_store::incident::list::{self as store, By};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::Incident;
use crate::api::body::Json;
use crate::api::cursor::{self, List, Page, Turn};
use crate::api::detection::list::technique;
use crate::api::export::{self, Format};
use crate::api::query::{self, Listing, bad, looked_for, parse_id};
use crate::api::route::{Route, permit};
use crate::api::{targets, time};
use crate::auth::{Caller, Permission};
use crate::incident::word;
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::IncidentRead, routes!(list_incidents))
}

/// By what they can be sorted.
const SORTS: [(&str, By); 3] = [("last", By::Last), ("severity", By::Severity), ("number", By::Number)];

/// Which incidents, and how they are sorted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// In any of these states, with commas between: `open`, `in_progress`, `closed`.
    state: Option<String>,
    /// Of any of these severities, with commas between.
    severity: Option<String>,
    /// Closed with any of these resolutions, with commas between.
    resolution: Option<String>,
    /// The work of the person with this id; `me` for one's own, `none` for nobody's.
    assignee: Option<String>,
    /// On this endpoint: its id, or its name where only one has it.
    endpoint: Option<String>,
    /// With this technique of ATT&CK, or a part of it.
    technique: Option<String>,
    /// With this text in title, endpoints, detections, paths, hashes or users, upper and lower case alike.
    #[param(max_length = 200)]
    text: Option<String>,
    /// With a detection at this time or later.
    since: Option<String>,
    /// With a detection before this time.
    until: Option<String>,
    /// `last`, `severity` or `number`, downwards with a `-` before it; `-last` where absent. A cursor is good for the order
    /// that it came from. By `last`, an incident that goes on between two pages changes its place.
    sort: Option<String>,
    /// Whether to count all that fit, on all pages.
    count: Option<bool>,
}

/// A page of incidents.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct IncidentPage {
    /// The incidents.
    items: Vec<Incident>,
    /// Give this as `cursor` for the next page; `null` on the last.
    next: Option<String>,
    /// How many there are on all pages, where `count=true` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

/// Incidents, those with the latest detection first
#[utoipa::path(get, path = "/incidents", tag = "incidents", params(Turn, Filter),
    responses((status = 200, body = IncidentPage)))]
pub(super) async fn list_incidents(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let tenant = caller.tenant;
    let order = query::order(filter.sort.as_deref().unwrap_or("-last"), &SORTS)?;
    let is_counted = filter.count.unwrap_or_default();
    let wanted = wanted(&app, &caller, filter).await?;
    if Format::asked(&turn, &headers)? == Format::Json {
        let (page, total) = read(&app, tenant, (wanted, order), &turn, is_counted).await?;
        return Ok(Json(IncidentPage { items: page.items, next: page.next, total }).into_response());
    }
    export::list(turn, &headers, "incidents", move |turn| {
        let (app, wanted) = (app.clone(), wanted.clone());
        async move { read(&app, tenant, (wanted, order), &turn, false).await.map(|(page, _)| page) }
    })
    .await
}

async fn read(
    app: &App,
    tenant: Uuid,
    (filter, (by, upwards)): (store::Filter, (By, bool)),
    turn: &Turn,
    is_counted: bool,
) -> Result<(Page<Incident>, Option<u64>), Problem> {
    let mark = by as u8 * 2 + u8::from(upwards);
    let (after, limit) = turn.place(List::Incidents, mark)?;
    let shown = app.clone();
    let read = app.store.read(move |tx| {
        let (rows, next) = store::list(tx, tenant, &filter, (by, upwards), after, limit)?;
        let items =
            rows.into_iter().map(|row| Incident::read(tx, &shown, row)).collect::<Result<Vec<_>, _>>()?;
        let total = if is_counted { Some(store::count(tx, tenant, &filter)?) } else { None };
        Ok::<_, Problem>((items, next, total))
    });
    let (items, next, total) = read.await?;
    let next = next.map(|place| cursor::write_place(List::Incidents, mark, place));
    Ok((Page { items, next }, total))
}

async fn wanted(app: &App, caller: &Caller, filter: Filter) -> Result<store::Filter, Problem> {
    let endpoint = match &filter.endpoint {
        Some(name) => Some(targets::find_one(app, caller.tenant, name).await?),
        None => None,
    };
    let (assignee, is_assigned) = match filter.assignee.as_deref() {
        None => (None, None),
        Some("none") => (None, Some(false)),
        Some("me") => (Some(caller.identity.id), None),
        Some(id) => (Some(parse_id(id).ok_or_else(|| bad("assignee", "not an id, me or none"))?), None),
    };
    Ok(store::Filter {
        states: super::words("state", filter.state.as_deref(), &word::STATES)?,
        severities: super::severities(filter.severity.as_deref())?,
        resolutions: super::words("resolution", filter.resolution.as_deref(), &word::RESOLUTIONS)?,
        assignee,
        is_assigned,
        endpoint,
        technique: technique(filter.technique)?,
        text: looked_for(filter.text)?.filter(|text| !text.is_empty()),
        since: time::parse("since", filter.since.as_deref())?,
        until: time::parse("until", filter.until.as_deref())?,
    })
}
