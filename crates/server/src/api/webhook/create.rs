//! `POST /webhooks`.

use axum::extract::State;
use axum::response::Response;
use quell_store::{audit, webhook};
use serde_json::json;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{NewWebhook, Webhook, WebhookWithSecret, checked, secret};
use crate::api::ROOT;
use crate::api::body::{Json, created};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::notices::outbox::WEBHOOKS;
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::WebhookManage, routes!(create_webhook))
}

/// Tell a system of notices
///
/// Posts are signed as Standard Webhooks describes; the secret for that is shown this once.
#[utoipa::path(post, path = "/webhooks", tag = "notices", request_body = NewWebhook,
    responses((status = 201, body = WebhookWithSecret)))]
pub(super) async fn create_webhook(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewWebhook>,
) -> Result<Response, Problem> {
    let wanted = checked(&app, &wanted)?;
    let (text, sealed) = secret(&app)?;
    let now = app.now();
    let detail =
        json!({ "name": wanted.name, "host": wanted.host, "kinds": wanted.kinds, "state": wanted.state });
    let row = webhook::Webhook {
        tenant_id: caller.tenant,
        id: Uuid::now_v7(),
        name: wanted.name,
        url: wanted.url,
        kinds: wanted.kinds,
        secret: sealed,
        former: None,
        former_until: None,
        state: wanted.state.to_owned(),
        created_at: now,
        updated_at: now,
    };
    let record = caller.record(now, "webhook.create", "webhook", &row.id.to_string(), &detail);
    let made = app
        .store
        .write(move |tx| {
            if webhook::count(tx, row.tenant_id)? >= WEBHOOKS {
                return Ok(None);
            }
            webhook::insert(tx, &row)?;
            audit::append(tx, &record)?;
            Ok::<_, quell_store::Error>(Some(row.clone()))
        })
        .await?;
    let row =
        made.ok_or_else(|| Problem::new(Code::Conflict, format!("there are {WEBHOOKS} webhooks already")))?;
    let location = format!("{ROOT}/webhooks/{}", row.id);
    Ok(created(&location, WebhookWithSecret { webhook: Webhook::of(row), secret: text }))
}
