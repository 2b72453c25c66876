//! `POST /response-plans`.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use quell_engine::response::MOST_STEPS;
use quell_engine::{OnFailure, PlanRequest, PlanSubmitted, StepRequest, TaskRequest};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{ResponsePlanWhole, repeat, repeated, shown};
use crate::api::ROOT;
use crate::api::body::{Json, JsonBytes, created};
use crate::api::route::{Route, permit};
use crate::api::task::{NewTargets, resolve};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskSubmit, routes!(submit_plan))
}

/// Ordered tasks under one approval.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPlan {
    /// Why; people read it, and it stays in the audit trail.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
    /// In the order in which they begin.
    #[schema(min_items = 1, max_items = 200)]
    steps: Vec<NewStep>,
}

/// One step of a plan.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewStep {
    /// Action id of the catalogue.
    #[schema(example = "endpoint.isolate")]
    action: String,
    /// Its parameters, in the shape of the action's schema.
    #[serde(default = "no_params")]
    #[schema(value_type = Object)]
    params: Value,
    /// On what. Left out where the action is for a service as a whole.
    #[serde(default)]
    targets: NewTargets,
    /// What becomes of the steps that follow where it does not succeed: `stop` (where absent) calls them off.
    #[schema(value_type = Option<String>, pattern = "^(stop|continue)$")]
    on_failure: Option<String>,
    /// Numbers of earlier steps, from 1: it is called off where one of them did not succeed.
    #[serde(default)]
    #[schema(max_items = 200)]
    needs: Vec<usize>,
    /// Why it is part of the plan.
    #[serde(default)]
    #[schema(max_length = 2000)]
    why: String,
    /// Seconds after its effect that it undoes itself. Only for actions with a way back.
    #[schema(minimum = 1, maximum = 2_592_000)]
    revert_after_seconds: Option<u64>,
    /// How many endpoints the requester means. Needed with `all`, with `tags`, and above 25 endpoints.
    confirm_count: Option<u64>,
}

fn no_params() -> Value {
    Value::Object(serde_json::Map::new())
}

/// Ask for a response plan
///
/// All of its steps are accepted, or none: a problem names the step. One approval is asked for, of all of them, and nothing
/// begins before it is given. A step begins when those before it ended well, or may fail. A repeat with the same
/// `Idempotency-Key` by the same requester is answered with the first plan and does nothing.
#[utoipa::path(post, path = "/response-plans", tag = "response plans", request_body = NewPlan,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 128 printable characters; best a UUID"),
        ("Quell-Step-Up" = Option<String>, Header, description = "The proof of `POST /step-up`, where an action asks for the person's own confirmation")),
    responses(
        (status = 201, body = ResponsePlanWhole),
        (status = 200, description = "The idempotency key had made this plan before", body = ResponsePlanWhole)))]
pub(super) async fn submit_plan(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonBytes(wanted, bytes): JsonBytes<NewPlan>,
) -> Result<Response, Problem> {
    if wanted.steps.is_empty() || wanted.steps.len() > MOST_STEPS {
        return Err(Problem::bad_field("steps", format!("must be 1 to {MOST_STEPS}")));
    }
    let repeat = repeat(&headers, "response-plans", &bytes)?;
    if let Some(answer) = repeated(&app, &caller, repeat.as_ref()).await? {
        return Ok(answer);
    }
    let mut steps = Vec::with_capacity(wanted.steps.len());
    for (number, step) in wanted.steps.into_iter().enumerate() {
        let within =
            |problem: Problem| problem.within(&format!("steps[{number}]"), &format!("step {}", number + 1));
        steps.push(read(&app, caller.tenant, step).await.map_err(within)?);
    }
    let actor = caller.actor_with(&app, &headers, &bytes).await?;
    let request = PlanRequest { tenant: caller.tenant, incident: None, reason: wanted.reason, steps, repeat };
    let made = app.engine.submit_plan(&actor, request).await?;
    answer(&app, &caller, &made).await
}

async fn read(app: &App, tenant: Uuid, step: NewStep) -> Result<StepRequest, Problem> {
    let on_failure = match &step.on_failure {
        None => OnFailure::Stop,
        Some(text) => OnFailure::parse(text)
            .ok_or_else(|| Problem::bad_field("on_failure", "must be `stop` or `continue`"))?,
    };
    let needs = step.needs.iter().map(|number| number.checked_sub(1)).collect::<Option<Vec<_>>>();
    let needs = needs.ok_or_else(|| Problem::bad_field("needs", "steps are counted from 1"))?;
    let targets = resolve(app, tenant, &step.action, step.targets).await?;
    // Its reason is the plan's.
    let task = TaskRequest {
        tenant,
        action: step.action,
        params: step.params,
        targets,
        reason: String::new(),
        idempotency_key: None,
        expires_in: None,
        revert_after: step.revert_after_seconds.map(Duration::from_secs),
        confirm_count: step.confirm_count,
    };
    Ok(StepRequest { task, on_failure, needs, why: step.why, origin: None })
}

/// The answer to who asked for a plan: it, and where it is.
pub(crate) async fn answer(app: &App, caller: &Caller, made: &PlanSubmitted) -> Result<Response, Problem> {
    let (id, view) = (made.plan_id, shown(app, caller, made.plan_id).await?);
    let location = format!("{ROOT}/response-plans/{id}");
    Ok(if made.created { created(&location, view) } else { Json(view).into_response() })
}
