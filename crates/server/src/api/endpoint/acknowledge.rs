//! `POST /endpoints/{id}/acknowledge`.

use axum::extract::State;
use quell_engine::Change;
use quell_store::{Error, audit, endpoint};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Endpoint;
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::api::text::checked;
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::EndpointAcknowledge, routes!(acknowledge_alarm))
}

/// That somebody looked at the alarm of an endpoint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAcknowledgement {
    /// What was found; people read it.
    #[schema(min_length = 1, max_length = 2000)]
    reason: String,
    /// The alarm that was looked at. Where another one stands by now, it stays, and the answer is a conflict.
    alarm: Option<String>,
}

/// Acknowledge the alarm of an endpoint
///
/// It was looked at and is taken away; the audit trail keeps it. What gave rise to it can raise it again.
#[utoipa::path(post, path = "/endpoints/{id}/acknowledge", tag = "endpoints", params(("id" = Uuid, Path)),
    request_body = NewAcknowledgement, responses((status = 200, body = Endpoint)))]
pub(super) async fn acknowledge_alarm(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewAcknowledgement>,
) -> Result<Json<Endpoint>, Problem> {
    let reason = checked("reason", &wanted.reason, 2000)?;
    let (tenant, now) = (caller.tenant, app.now());
    let row = app
        .store
        .write(move |tx| {
            let row = endpoint::get(tx, tenant, id)?.ok_or(Error::NotFound("endpoint"))?;
            caller.reaches(Permission::EndpointAcknowledge, &row)?;
            let alarm = standing(&row, wanted.alarm.as_deref())?;
            endpoint::acknowledge(tx, tenant, id, alarm)?;
            let detail = serde_json::json!({ "alarm": alarm, "reason": reason });
            audit::append(
                tx,
                &caller.record(now, "endpoint.acknowledge", "endpoint", &id.to_string(), &detail),
            )?;
            Ok::<_, Problem>(endpoint::Endpoint { alarm: None, ..row })
        })
        .await?;
    app.engine.changes().tell(Change::Endpoint { tenant, endpoint: id });
    Ok(Json(Endpoint::of(&app, row)))
}

/// The alarm that stands, if it is the one that was looked at.
fn standing<'a>(row: &'a endpoint::Endpoint, seen: Option<&str>) -> Result<&'a str, Problem> {
    let Some(alarm) = row.alarm.as_deref() else {
        return Err(Problem::new(Code::Conflict, "the endpoint has no alarm"));
    };
    if seen.is_some_and(|seen| seen != alarm) {
        return Err(Problem::new(Code::Conflict, format!("the endpoint has another alarm by now: {alarm}"))
            .hint("Look at it, then acknowledge that one."));
    }
    Ok(alarm)
}
