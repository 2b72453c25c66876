//! `GET /events`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::query::{Query, parse_id};
use super::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::live;
use crate::problem::{Code, Problem};
use crate::state::App;

/// The route of live news.
pub(crate) fn routes() -> Vec<Route> {
    vec![permit(Permission::TaskRead, routes!(watch_events))]
}

/// Which news.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// Of this task and its commands only.
    task: Option<String>,
}

/// Live news of tasks, commands, requests for approval, broken glass, artifacts, endpoints and incidents
///
/// Server-sent events, each with a JSON object: ids and the new state; read the resource for the rest. `ready` comes first.
/// Then `task` (`task`, `state`), `command` (`task`, `command`, `endpoint`, `state`), `progress` (`task`, `command`,
/// `progress`), `approval` (`task`, `state`), `break_glass` (`id`, `state`: `open`, `ended` before its time, `reviewed`),
/// `artifact` (`task`, `command`, `artifact`, `state`), `endpoint` (`endpoint`, `connected`, `state`, `isolated`, `alarm`),
/// `incident` (`incident`, `number`, `state`, `severity`) and `detection` (`detection`, `incident`, `severity`).
/// What you may not read you hear nothing of. `resync` says that something was
/// missed (the watcher was too slow, or it came back with `Last-Event-ID`): read everything again. `beat` (`{}`) comes
/// every 15 seconds: who hears nothing for much longer is cut off. One person or key has up to 16 streams, a tenant up to 256.
#[utoipa::path(get, path = "/events", tag = "tasks", params(Filter),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
async fn watch_events(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
) -> Result<Response, Problem> {
    let task = match &filter.task {
        Some(text) => {
            Some(parse_id(text).ok_or_else(|| Problem::new(Code::InvalidQuery, "task: not an id"))?)
        }
        None => None,
    };
    let is_return = headers.contains_key("last-event-id");
    let mut response = live::stream(&app, caller, task, is_return)?.into_response();
    // Proxies that collect answers would hold the news back.
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}
