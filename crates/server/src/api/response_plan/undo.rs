//! `POST /response-plans/{id}/undo`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_engine::Error;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{ResponsePlanWhole, shown};
use crate::api::ROOT;
use crate::api::body::{JsonBytes, created};
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::api::task::PassedOver;
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskSubmit, routes!(undo_plan))
}

/// Why a plan is taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPlanUndo {
    /// Why; people read it.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
}

/// The plan that takes another back, and what it leaves.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlanUndoing {
    #[serde(flatten)]
    plan: ResponsePlanWhole,
    /// Steps of which nothing is taken back.
    left: Vec<LeftStep>,
    /// Endpoints on which something is left that a step does not take back.
    passed_over: Vec<PassedOver>,
}

/// A step of which nothing is taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeftStep {
    /// Its number in the plan that is taken back, from 1.
    number: i64,
    /// Why.
    why: String,
}

/// Undo a response plan
///
/// Makes another plan, of the ways back of its steps, last step first; one that fails does not keep the others from it.
#[utoipa::path(post, path = "/response-plans/{id}/undo", tag = "response plans", params(("id" = Uuid, Path)),
    request_body = NewPlanUndo, responses((status = 201, body = PlanUndoing)))]
pub(super) async fn undo_plan(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    JsonBytes(wanted, bytes): JsonBytes<NewPlanUndo>,
) -> Result<Response, Problem> {
    let actor = caller.actor_with(&app, &headers, &bytes).await?;
    let undone = app.engine.undo_plan(&actor, caller.tenant, id, &wanted.reason).await;
    let undoing = undone.map_err(|error| match error {
        Error::State(_) => Problem::new(Code::TaskOpen, "some steps of the plan have not ended")
            .hint("Cancel it, or wait for its end, then undo what was done."),
        other => other.into(),
    })?;
    let location = format!("{ROOT}/response-plans/{}", undoing.plan_id);
    let left = undoing.left.into_iter().map(|(step, why)| LeftStep { number: step + 1, why }).collect();
    let passed_over = undoing.passed_over.into_iter().map(PassedOver::of).collect();
    let plan = shown(&app, &caller, undoing.plan_id).await?;
    Ok(created(&location, PlanUndoing { plan, left, passed_over }))
}
