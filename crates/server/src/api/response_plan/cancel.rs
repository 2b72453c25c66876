//! `POST /response-plans/{id}/cancel`.

use axum::extract::State;
use quell_engine::Error;
use utoipa_axum::routes;

use super::{ResponsePlanWhole, shown};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TaskCancel, routes!(cancel_plan))
}

/// Cancel a response plan
///
/// What waits ends at once. What runs is asked to stop; how it ends, its outcome says.
#[utoipa::path(post, path = "/response-plans/{id}/cancel", tag = "response plans", params(("id" = Uuid, Path)),
    responses((status = 200, body = ResponsePlanWhole)))]
pub(super) async fn cancel_plan(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<ResponsePlanWhole>, Problem> {
    app.engine.cancel_plan(&caller.actor(), caller.tenant, id).await.map_err(|error| match error {
        Error::State(_) => Problem::new(Code::NotCancelable, "every step of the plan has ended")
            .hint("To take its effects back, undo it."),
        other => other.into(),
    })?;
    shown(&app, &caller, id).await.map(Json)
}
