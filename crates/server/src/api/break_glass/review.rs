//! `POST /break-glass/{id}/review`.

use axum::extract::State;
use quell_store::{audit, break_glass, person};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{BreakGlass, tell};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::api::text;
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::BreakGlassReview, routes!(review_break_glass))
}

/// What a review found.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewReview {
    /// In words.
    #[schema(min_length = 1, max_length = 2000)]
    note: String,
}

/// Review a break-glass
///
/// Once it is over; by another human than the one who broke it.
#[utoipa::path(post, path = "/break-glass/{id}/review", tag = "approvals", params(("id" = Uuid, Path)),
    request_body = NewReview, responses((status = 200, body = BreakGlass)))]
pub(super) async fn review_break_glass(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewReview>,
) -> Result<Json<BreakGlass>, Problem> {
    let note = text::checked("note", &wanted.note, 2000)?;
    let now = app.now();
    let row = app.store.write(move |tx| {
        let tenant = caller.tenant;
        let absent = || Problem::not_found("break-glass");
        let row = break_glass::get(tx, tenant, id)?.ok_or_else(absent)?;
        let human = person::get(tx, row.person_id)?.map_or(row.human, |person| person.human);
        if row.person_id == caller.identity.id || [row.human, human].contains(&caller.identity.human) {
            return Err(Problem::new(Code::NotEligible, "nobody reviews their own break-glass"));
        }
        if row.ended_at.is_none() && row.until_at > now {
            return Err(Problem::new(Code::Conflict, "it still goes on").hint("End it first."));
        }
        if !break_glass::review(tx, tenant, id, caller.name(), &note, now)? {
            return Err(Problem::new(Code::Conflict, "it was reviewed before"));
        }
        let detail = json!({ "note": note, "person": row.person_id, "name": row.name });
        audit::append(
            tx,
            &caller.record(now, "break_glass.review", "break_glass", &id.to_string(), &detail),
        )?;
        break_glass::get(tx, tenant, id)?.ok_or_else(absent)
    });
    let row = row.await?;
    tell(&app, &row, "reviewed");
    Ok(Json(BreakGlass::of(row, now)))
}
