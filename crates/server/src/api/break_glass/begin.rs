//! `POST /break-glass`.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use quell_store::{audit, break_glass};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{BreakGlass, tell};
use crate::api::body::{JsonBytes, created};
use crate::api::route::{Route, permit};
use crate::api::{ROOT, text};
use crate::auth::{Caller, Permission, step_up};
use crate::problem::{Code, Problem};
use crate::state::App;

const DEFAULT_MINUTES: u32 = 30;
const MOST_MINUTES: u32 = 240;

pub(super) fn route() -> Route {
    permit(Permission::BreakGlass, routes!(begin_break_glass))
}

/// Breaking the glass.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBreakGlass {
    /// Why nobody can be asked. Everybody who decides here reads it.
    #[schema(min_length = 10, max_length = 2000)]
    reason: String,
    /// For how long, 1 to 240; 30 where absent.
    #[schema(minimum = 1, maximum = 240, default = 30)]
    minutes: Option<u32>,
}

/// Break the glass
///
/// What you ask for from now on is carried out without the people who would have to agree. Everybody who decides in this
/// tenant is told at once, each act is marked, and somebody else reviews it. It does not pass over what endpoints
/// themselves demand by their trust policy. It needs your own confirmation (`POST /step-up`).
#[utoipa::path(post, path = "/break-glass", tag = "approvals", request_body = NewBreakGlass,
    responses((status = 201, body = BreakGlass)))]
pub(super) async fn begin_break_glass(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    JsonBytes(wanted, bytes): JsonBytes<NewBreakGlass>,
) -> Result<Response, Problem> {
    let (person, _) = caller.person()?;
    let confirmed = step_up::demand(&app, &caller, &headers, &bytes).await?;
    let reason = text::checked("reason", &wanted.reason, 2000)?;
    if reason.chars().count() < 10 {
        return Err(Problem::bad_field("reason", "must have at least 10 characters"));
    }
    let minutes = wanted.minutes.unwrap_or(DEFAULT_MINUTES);
    if minutes == 0 || minutes > MOST_MINUTES {
        return Err(Problem::bad_field("minutes", format!("must be 1 to {MOST_MINUTES}")));
    }
    let now = app.now();
    let row = break_glass::BreakGlass {
        tenant_id: caller.tenant,
        id: Uuid::now_v7(),
        person_id: person,
        human: caller.identity.human,
        name: caller.name().to_owned(),
        reason,
        begun_at: now,
        until_at: now + i64::from(minutes) * 60_000_000,
        ended_at: None,
        reviewed_by: None,
        reviewed_at: None,
        note: None,
    };
    let row = app
        .store
        .write(move |tx| {
            if let Some(open) = break_glass::open(tx, row.tenant_id, person, now)? {
                return Err(Problem::new(Code::Conflict, format!("you are in {} already", open.id))
                    .hint("End it first, or let it run out."));
            }
            break_glass::insert(tx, &row)?;
            let detail = json!({ "reason": row.reason, "minutes": minutes, "until_at": row.until_at,
                "confirmed": confirmed.method });
            let id = row.id.to_string();
            audit::append(tx, &caller.record(now, "break_glass.begin", "break_glass", &id, &detail))?;
            Ok::<_, Problem>(row.clone())
        })
        .await?;
    tell(&app, &row, "open");
    let location = format!("{ROOT}/break-glass/{}", row.id);
    Ok(created(&location, BreakGlass::of(row, now)))
}
