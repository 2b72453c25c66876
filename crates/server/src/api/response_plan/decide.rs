//! `POST /response-plans/{id}/approve` and `…/reject`.

use std::time::Duration;

use axum::extract::State;
use quell_engine::PlanBallot;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{ResponsePlanWhole, shown};
use crate::api::approval::{NewSignature, digest, signature};
use crate::api::body::Json;
use crate::api::query::{Id, parse_id};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn approve_route() -> Route {
    permit(Permission::ApprovalDecide, routes!(approve_plan))
}

pub(super) fn reject_route() -> Route {
    permit(Permission::ApprovalDecide, routes!(reject_plan))
}

/// A decision about a plan that agrees.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPlanApproval {
    /// The digest of the plan that was looked at, 64 hex digits. Another one than the stored is refused.
    #[schema(min_length = 64, max_length = 64)]
    digest: String,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: String,
    /// Seconds for which it is good from now on; as long as the settings let it where absent, and never longer.
    #[schema(minimum = 1, maximum = 2_592_000)]
    valid_for_seconds: Option<u64>,
    /// The approver's own signatures over the intents of tasks, where endpoints ask for one.
    #[serde(default)]
    #[schema(max_items = 200)]
    signatures: Vec<StepSignature>,
}

/// An approver's own signature over the intent of one step.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StepSignature {
    /// The step's task.
    #[schema(format = Uuid)]
    task: String,
    /// The signature.
    signature: NewSignature,
}

/// A decision about a plan that declines.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPlanRejection {
    /// The digest of the plan that was looked at, 64 hex digits.
    #[schema(min_length = 64, max_length = 64)]
    digest: String,
    /// Why.
    #[serde(default)]
    #[schema(max_length = 2000)]
    note: String,
}

/// Approve a response plan
///
/// One decision about every step that waits for people: where yours would not count for one of them, none is recorded. Nothing
/// of the plan begins before people agreed to all of them.
#[utoipa::path(post, path = "/response-plans/{id}/approve", tag = "response plans", params(("id" = Uuid, Path)),
    request_body = NewPlanApproval, responses((status = 200, body = ResponsePlanWhole)))]
pub(super) async fn approve_plan(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewPlanApproval>,
) -> Result<Json<ResponsePlanWhole>, Problem> {
    let mut signatures = Vec::new();
    for one in wanted.signatures.into_iter().take(quell_engine::response::MOST_STEPS) {
        let task = parse_id(&one.task).ok_or_else(|| Problem::bad_field("signatures", "task: not an id"))?;
        signatures.push((task, signature(one.signature)?));
    }
    let ballot = PlanBallot {
        digest: digest("digest", &wanted.digest)?,
        approve: true,
        note: wanted.note,
        via: caller.client.kind().to_owned(),
        valid_for: wanted.valid_for_seconds.map(Duration::from_secs),
        signatures,
    };
    app.engine.decide_plan(&caller.actor(), caller.tenant, id, ballot).await?;
    shown(&app, &caller, id).await.map(Json)
}

/// Reject a response plan
///
/// One rejection of somebody who may decide is enough: every step that has not begun ends.
#[utoipa::path(post, path = "/response-plans/{id}/reject", tag = "response plans", params(("id" = Uuid, Path)),
    request_body = NewPlanRejection, responses((status = 200, body = ResponsePlanWhole)))]
pub(super) async fn reject_plan(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewPlanRejection>,
) -> Result<Json<ResponsePlanWhole>, Problem> {
    let ballot = PlanBallot {
        digest: digest("digest", &wanted.digest)?,
        approve: false,
        note: wanted.note,
        via: caller.client.kind().to_owned(),
        valid_for: None,
        signatures: Vec::new(),
    };
    app.engine.decide_plan(&caller.actor(), caller.tenant, id, ballot).await?;
    shown(&app, &caller, id).await.map(Json)
}
