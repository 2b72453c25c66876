//! `DELETE /webhooks/{id}`.

use axum::extract::State;
use http::StatusCode;
use quell_store::notice::delivery;
use quell_store::{audit, webhook};
use utoipa_axum::routes;

use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::WebhookManage, routes!(remove_webhook))
}

/// Remove a webhook
///
/// What waits for it is given up.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "notices", params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub(super) async fn remove_webhook(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let tenant = caller.tenant;
    let record =
        caller.record(app.now(), "webhook.remove", "webhook", &id.to_string(), &serde_json::json!({}));
    app.store
        .write(move |tx| {
            webhook::delete(tx, tenant, id)?;
            delivery::give_up(tx, tenant, &id.to_string(), "the webhook was removed")?;
            audit::append(tx, &record)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
