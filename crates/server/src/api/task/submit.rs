//! `POST /tasks`.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use quell_catalog::ActionKind;
use quell_engine::{Targets, TaskRequest};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{TaskWithCommands, read_whole};
use crate::api::body::{Json, JsonBytes, created};
use crate::api::route::{Route, permit};
use crate::api::{ROOT, targets};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

/// Endpoints that a request may name one by one: what fits a body.
const MOST_NAMES: usize = 20_000;
const MOST_TAGS: usize = 32;
const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub(super) fn route() -> Route {
    permit(Permission::TaskSubmit, routes!(submit_task))
}

/// A request of an action.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTask {
    /// Action id of the catalogue.
    #[schema(example = "endpoint.isolate")]
    pub action: String,
    /// Its parameters, in the shape of the action's schema.
    #[serde(default = "no_params")]
    #[schema(value_type = Object)]
    params: Value,
    /// On what. Left out where the action is for a service as a whole, such as `blocklist.add`.
    #[serde(default)]
    pub targets: NewTargets,
    /// Why; people read it, and it stays in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
    /// Seconds that it may wait for its endpoints, at most 2592000 (30 days); a day where absent.
    #[schema(minimum = 1, maximum = 2_592_000)]
    expires_in_seconds: Option<u64>,
    /// Seconds after its effect that it undoes itself. Only for actions with a way back.
    #[schema(minimum = 1, maximum = 2_592_000)]
    revert_after_seconds: Option<u64>,
    /// How many endpoints the requester means. Needed with `all`, with `tags`, and above 25 endpoints.
    confirm_count: Option<u64>,
}

fn no_params() -> Value {
    Value::Object(serde_json::Map::new())
}

/// What a request acts on: one of the three.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewTargets {
    /// Ids, or names that only one active endpoint has.
    #[serde(default)]
    #[schema(max_items = 20_000)]
    endpoints: Vec<String>,
    /// Every active endpoint.
    #[serde(default)]
    all: bool,
    /// Every active endpoint with any of these tags.
    #[serde(default)]
    #[schema(max_items = 32)]
    tags: Vec<String>,
}

impl NewTask {
    /// As the engine takes it, on these targets.
    pub fn request(self, tenant: Uuid, targets: Targets, idempotency_key: Option<String>) -> TaskRequest {
        TaskRequest {
            tenant,
            action: self.action,
            params: self.params,
            targets,
            reason: self.reason,
            idempotency_key,
            expires_in: self.expires_in_seconds.map(Duration::from_secs),
            revert_after: self.revert_after_seconds.map(Duration::from_secs),
            confirm_count: self.confirm_count,
        }
    }
}

/// Request an action
///
/// Accepted means committed: the task is on the disk and will come to an end. A repeat with the same
/// `Idempotency-Key` by the same key is answered with the first task and does nothing.
#[utoipa::path(post, path = "/tasks", tag = "tasks", request_body = NewTask,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 128 printable characters; best a UUID"),
        ("Quell-Step-Up" = Option<String>, Header, description = "The proof of `POST /step-up`, where the action asks for the person's own confirmation")),
    responses(
        (status = 201, body = TaskWithCommands),
        (status = 200, description = "The idempotency key had made this task before", body = TaskWithCommands)))]
pub(super) async fn submit_task(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonBytes(mut wanted, bytes): JsonBytes<NewTask>,
) -> Result<Response, Problem> {
    let tenant = caller.tenant;
    let idempotency_key = idempotency_key(&headers)?;
    let targets = resolve(&app, tenant, &wanted.action, std::mem::take(&mut wanted.targets)).await?;
    let request = wanted.request(tenant, targets, idempotency_key);
    let actor = caller.actor_with(&app, &headers, &bytes).await?;
    let submitted = app.engine.submit(&actor, request).await?;
    answer(&app, tenant, submitted).await
}

/// The task that was made, or had been made before.
pub(in crate::api) async fn answer(
    app: &App,
    tenant: Uuid,
    submitted: quell_engine::Submitted,
) -> Result<Response, Problem> {
    let view = made(app, tenant, submitted.task_id).await?;
    Ok(if submitted.created { created(&location(&submitted), view) } else { Json(view).into_response() })
}

/// The view of a task that was just made.
pub(super) async fn made(app: &App, tenant: Uuid, id: Uuid) -> Result<TaskWithCommands, Problem> {
    let view = app.store.read(move |tx| read_whole(tx, tenant, id)).await?;
    view.ok_or_else(|| Problem::not_found("task"))
}

/// Where it is.
pub(super) fn location(submitted: &quell_engine::Submitted) -> String {
    format!("{ROOT}/tasks/{}", submitted.task_id)
}

pub(in crate::api) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        // Whichever won, the other's repeat would do the deed once more.
        return Err(Problem::new(Code::InvalidHeader, "Idempotency-Key: is there more than once")
            .field("Idempotency-Key", "more than one")
            .hint("Send one key; nothing was done."));
    }
    let text = value.to_str().ok().map(str::trim).filter(|text| {
        (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
    });
    text.map(|text| Some(text.to_owned())).ok_or_else(|| {
        Problem::new(Code::InvalidHeader, "Idempotency-Key: must be 1 to 128 printable ASCII characters")
            .field("Idempotency-Key", "not 1 to 128 printable ASCII characters")
    })
}

/// What a request acts on; names are looked up.
pub(in crate::api) async fn resolve(
    app: &App,
    tenant: Uuid,
    action: &str,
    wanted: NewTargets,
) -> Result<Targets, Problem> {
    let NewTargets { endpoints, all, tags } = wanted;
    let is_for_service = ActionKind::from_id(action).is_some_and(|kind| kind.spec().service().is_some());
    if is_for_service && endpoints.is_empty() && !all && tags.is_empty() {
        return Ok(Targets::Service);
    }
    match (endpoints.is_empty(), all, tags.as_slice()) {
        (true, false, []) => {
            Err(Problem::new(Code::NoTargets, "the request names no target").field("targets", "is empty"))
        }
        (false, false, []) if endpoints.len() > MOST_NAMES => {
            Err(Problem::bad_field("targets.endpoints", format!("more than {MOST_NAMES}")))
        }
        (false, false, []) => Ok(Targets::Endpoints(targets::named(app, tenant, endpoints).await?)),
        (true, true, []) => Ok(Targets::All),
        (true, false, [tag]) => Ok(Targets::Tag(tag.clone())),
        (true, false, several) if several.len() > MOST_TAGS => {
            Err(Problem::bad_field("targets.tags", format!("more than {MOST_TAGS}")))
        }
        (true, false, several) => Ok(Targets::Tags(several.to_vec())),
        (_, _, _) => {
            Err(Problem::bad_field("targets", "name one of `endpoints`, `all` and `tags`, not several"))
        }
    }
}
