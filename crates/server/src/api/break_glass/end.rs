//! `POST /break-glass/{id}/end`.

use axum::extract::State;
use quell_store::{audit, break_glass};
use serde_json::json;
use utoipa_axum::routes;

use super::{BreakGlass, tell};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::BreakGlass, routes!(end_break_glass))
}

/// End a break-glass before its time
///
/// Anybody who could break the glass may end it, their own or another's.
#[utoipa::path(post, path = "/break-glass/{id}/end", tag = "approvals", params(("id" = Uuid, Path)),
    responses((status = 200, body = BreakGlass)))]
pub(super) async fn end_break_glass(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<BreakGlass>, Problem> {
    let now = app.now();
    let row = app.store.write(move |tx| {
        let tenant = caller.tenant;
        let absent = || Problem::not_found("break-glass");
        break_glass::get(tx, tenant, id)?.ok_or_else(absent)?;
        if !break_glass::end(tx, tenant, id, now)? {
            return Err(Problem::new(Code::Conflict, "it is over already"));
        }
        audit::append(
            tx,
            &caller.record(now, "break_glass.end", "break_glass", &id.to_string(), &json!({})),
        )?;
        break_glass::get(tx, tenant, id)?.ok_or_else(absent)
    });
    let row = row.await?;
    tell(&app, &row, "ended");
    Ok(Json(BreakGlass::of(row, now)))
}
