//! `POST /webhooks/{id}/rotate`.

use axum::extract::State;
use quell_store::{Micros, audit, webhook};
use serde_json::json;
use utoipa_axum::routes;

use super::{Webhook, WebhookWithSecret, secret};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// How long the secret before signs as well, microseconds.
const BOTH: Micros = 24 * 3600 * 1_000_000;

pub(super) fn route() -> Route {
    permit(Permission::WebhookManage, routes!(rotate_webhook))
}

/// Give a webhook a new secret
///
/// For a day posts are signed with both, so that the receiver can be changed in between. The new one is shown this once.
#[utoipa::path(post, path = "/webhooks/{id}/rotate", tag = "notices", params(("id" = Uuid, Path)),
    responses((status = 200, body = WebhookWithSecret)))]
pub(super) async fn rotate_webhook(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<WebhookWithSecret>, Problem> {
    let (text, sealed) = secret(&app)?;
    let (tenant, now) = (caller.tenant, app.now());
    let record = caller.record(now, "webhook.rotate", "webhook", &id.to_string(), &json!({}));
    let row = app
        .store
        .write(move |tx| {
            webhook::rotate(tx, tenant, id, &sealed, now + BOTH, now)?;
            audit::append(tx, &record)?;
            webhook::get(tx, tenant, id)?.ok_or(quell_store::Error::NotFound("webhook"))
        })
        .await?;
    Ok(Json(WebhookWithSecret { webhook: Webhook::of(row), secret: text }))
}
