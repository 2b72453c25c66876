//! `POST /webhooks/{id}/test`.

use axum::extract::State;
use quell_notify::{Kind, Notice, webhook::Post};
use quell_store::{audit, webhook};
use serde_json::json;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::body::Json;
use crate::api::mail::Tried;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::api::time;
use crate::auth::{Caller, Permission};
use crate::notices::{post_body, secrets};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::WebhookManage, routes!(test_webhook))
}

/// Post something to see whether it arrives
///
/// It is tried once, while you wait, also where the webhook is switched off.
#[utoipa::path(post, path = "/webhooks/{id}/test", tag = "notices", params(("id" = Uuid, Path)),
    responses((status = 200, body = Tried)))]
pub(super) async fn test_webhook(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Tried>, Problem> {
    let (tenant, now) = (caller.tenant, app.now());
    let hook = app.store.read(move |tx| webhook::get(tx, tenant, id)).await?;
    let hook = hook.ok_or_else(|| Problem::not_found("webhook"))?;
    let secrets = secrets(&app, &hook).ok_or_else(|| {
        Problem::new(Code::Conflict, "the webhook's secret cannot be opened").hint("Rotate it.")
    })?;
    let mut notice = Notice::sample(Kind::Test);
    "A test: posts from Quell arrive".clone_into(&mut notice.headline);
    notice.at = time::text(now);
    let (body, message) = (post_body(&notice), Uuid::now_v7().to_string());
    let post =
        Post { url: &hook.url, id: &message, timestamp: now / 1_000_000, body: &body, secrets: &secrets };
    let tried = Tried::of(app.notices.post(&post).await);
    let detail = json!({ "name": hook.name, "tried": tried });
    let record = caller.record(now, "webhook.test", "webhook", &id.to_string(), &detail);
    app.store
        .write(move |tx| audit::append(tx, &record))
        .await
        .map_err(|error: quell_store::Error| Problem::from(error))?;
    Ok(Json(tried))
}
