//! `PUT /webhooks/{id}`.

use axum::extract::State;
use quell_store::{audit, webhook};
use serde_json::json;
use utoipa_axum::routes;

use super::{NewWebhook, Webhook, checked};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::WebhookManage, routes!(change_webhook))
}

/// Change a webhook, but for its secret
#[utoipa::path(put, path = "/webhooks/{id}", tag = "notices", params(("id" = Uuid, Path)), request_body = NewWebhook,
    responses((status = 200, body = Webhook)))]
pub(super) async fn change_webhook(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewWebhook>,
) -> Result<Json<Webhook>, Problem> {
    let wanted = checked(&app, &wanted)?;
    let (tenant, now) = (caller.tenant, app.now());
    let detail =
        json!({ "name": wanted.name, "host": wanted.host, "kinds": wanted.kinds, "state": wanted.state });
    let record = caller.record(now, "webhook.change", "webhook", &id.to_string(), &detail);
    let row = app
        .store
        .write(move |tx| {
            let before = webhook::get(tx, tenant, id)?.ok_or(quell_store::Error::NotFound("webhook"))?;
            let row = webhook::Webhook {
                name: wanted.name.clone(),
                url: wanted.url.clone(),
                kinds: wanted.kinds.clone(),
                state: wanted.state.to_owned(),
                updated_at: now,
                ..before
            };
            webhook::update(tx, &row)?;
            audit::append(tx, &record)?;
            Ok::<_, quell_store::Error>(row)
        })
        .await?;
    Ok(Json(Webhook::of(row)))
}
