//! `POST /notices/{id}/retry`.

use axum::extract::State;
use quell_store::audit;
use quell_store::notice::{self, delivery};
use serde_json::json;
use utoipa_axum::routes;

use super::Notice;
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::MailManage, routes!(retry_notice))
}

/// Try again what was held back or given up
#[utoipa::path(post, path = "/notices/{id}/retry", tag = "notices", params(("id" = Uuid, Path)),
    responses((status = 200, body = Notice)))]
pub(super) async fn retry_notice(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Notice>, Problem> {
    let (tenant, now) = (caller.tenant, app.now());
    let shown = app
        .store
        .write(move |tx| {
            let row = notice::get(tx, tenant, id)?.ok_or(quell_store::Error::NotFound("notice"))?;
            let count = delivery::retry(tx, tenant, id, now)?;
            let detail = json!({ "deliveries": count });
            audit::append(tx, &caller.record(now, "notice.retry", "notice", &id.to_string(), &detail))?;
            Ok::<_, quell_store::Error>(Notice::of(row, delivery::of_notice(tx, tenant, id, 100)?))
        })
        .await?;
    app.notices.bell.notify_one();
    Ok(Json(shown))
}
