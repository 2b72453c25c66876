//! `GET /detections`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use quell_store::detection::list::{self as store, By};
use quell_wire::activity::is_technique;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::Detection;
use crate::api::body::Json;
use crate::api::cursor::{self, List, Page, Turn};
use crate::api::export::{self, Format};
use crate::api::query::{self, Listing, bad, looked_for, several};
use crate::api::route::{Route, permit};
use crate::api::{incident, targets, time};
use crate::auth::{Caller, Permission};
use crate::incident::word;
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::IncidentRead, routes!(list_detections))
}

/// By what they can be sorted.
const SORTS: [(&str, By); 3] = [("at", By::At), ("severity", By::Severity), ("received", By::Received)];

/// Which detections, and how they are sorted.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Of this incident, by its id or its number; `any` for those of any, `none` for those of none.
    incident: Option<String>,
    /// On this endpoint: its id, or its name where only one has it.
    endpoint: Option<String>,
    /// `endpoint` for what agents detected, `product` for what other products told.
    origin: Option<String>,
    /// Of any of these sources, with commas between: `behaviour`, `falco` …
    source: Option<String>,
    /// Of any of these severities, with commas between.
    severity: Option<String>,
    /// With any of these verdicts, with commas between.
    verdict: Option<String>,
    /// Whose rule names this technique of ATT&CK, or a part of it.
    technique: Option<String>,
    /// With this text in title, rule, endpoint, path, hash, user, command line or note, upper and lower case alike.
    #[param(max_length = 200)]
    text: Option<String>,
    /// At this time or later.
    since: Option<String>,
    /// Before this time.
    until: Option<String>,
    /// `at`, `severity` or `received`, downwards with a `-` before it; `-at` where absent. A cursor is good for the order that
    /// it came from.
    sort: Option<String>,
    /// Whether to count all that fit, on all pages.
    count: Option<bool>,
}

/// A page of detections.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DetectionPage {
    /// The detections.
    items: Vec<Detection>,
    /// Give this as `cursor` for the next page; `null` on the last.
    next: Option<String>,
    /// How many there are on all pages, where `count=true` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

/// What was detected, latest first
///
/// What agents detected and what other products told, in one list.
#[utoipa::path(get, path = "/detections", tag = "incidents", params(Turn, Filter),
    responses((status = 200, body = DetectionPage)))]
pub(super) async fn list_detections(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let tenant = caller.tenant;
    let order = query::order(filter.sort.as_deref().unwrap_or("-at"), &SORTS)?;
    let is_counted = filter.count.unwrap_or_default();
    let wanted = wanted(&app, tenant, filter).await?;
    if Format::asked(&turn, &headers)? == Format::Json {
        let (page, total) = read(&app, tenant, (wanted, order), &turn, is_counted).await?;
        return Ok(Json(DetectionPage { items: page.items, next: page.next, total }).into_response());
    }
    export::list(turn, &headers, "detections", move |turn| {
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
) -> Result<(Page<Detection>, Option<u64>), Problem> {
    let mark = by as u8 * 2 + u8::from(upwards);
    let (after, limit) = turn.place(List::Detections, mark)?;
    let read = app.store.read(move |tx| {
        let (rows, next) = store::list(tx, tenant, &filter, (by, upwards), after, limit)?;
        let items = rows.into_iter().map(|row| Detection::read(tx, row)).collect::<Result<Vec<_>, _>>()?;
        let total = if is_counted { Some(store::count(tx, tenant, &filter)?) } else { None };
        Ok::<_, Problem>((items, next, total))
    });
    let (items, next, total) = read.await?;
    let next = next.map(|place| cursor::write_place(List::Detections, mark, place));
    Ok((Page { items, next }, total))
}

async fn wanted(app: &App, tenant: Uuid, filter: Filter) -> Result<store::Filter, Problem> {
    let (incident, is_joined) = match filter.incident.as_deref() {
        None => (None, None),
        Some("none") => (None, Some(false)),
        Some("any") => (None, Some(true)),
        Some(name) => (Some(incident::find(app, tenant, name).await?), None),
    };
    let endpoint = match &filter.endpoint {
        Some(name) => Some(targets::find_one(app, tenant, name).await?),
        None => None,
    };
    let origins = ["endpoint", "product"];
    if filter.origin.as_deref().is_some_and(|origin| !origins.contains(&origin)) {
        return Err(bad("origin", "must be endpoint or product"));
    }
    let sources = several("source", filter.source.as_deref())?;
    Ok(store::Filter {
        incident,
        is_joined,
        endpoint,
        origin: filter.origin,
        sources: (!sources.is_empty()).then(|| format!(" {} ", sources.join(" "))),
        severities: incident::severities(filter.severity.as_deref())?,
        verdicts: incident::words("verdict", filter.verdict.as_deref(), &word::VERDICTS)?,
        technique: technique(filter.technique)?,
        text: looked_for(filter.text)?.filter(|text| !text.is_empty()),
        since: time::parse("since", filter.since.as_deref())?,
        until: time::parse("until", filter.until.as_deref())?,
    })
}

/// A technique to look for.
pub(in crate::api) fn technique(text: Option<String>) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if !is_technique(&text) => {
            Err(Problem::new(Code::InvalidQuery, "technique: not a technique such as T1059 or T1059.004")
                .field("technique", "not a technique"))
        }
        text => Ok(text),
    }
}
