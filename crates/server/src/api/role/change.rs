//! `PUT /roles/{id}`.

use axum::extract::State;
use quell_store::{audit, role};
use serde_json::{Value, json};
use utoipa_axum::routes;

use super::create::NewRole;
use super::{RoleView, written};
use crate::api::body::Json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission, give, identify};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::PersonManage, routes!(change_role))
}

/// Change a role
///
/// Whoever has it has at once what it grants now, and no more. Those that come with Quell cannot be changed.
#[utoipa::path(put, path = "/roles/{id}", tag = "access", params(("id" = Uuid, Path)), request_body = NewRole,
    responses((status = 200, body = RoleView)))]
pub(super) async fn change_role(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Json(wanted): Json<NewRole>,
) -> Result<Json<RoleView>, Problem> {
    let now = app.now();
    let row = app
        .store
        .write(move |tx| {
            let before = role::get(tx, caller.tenant, id)?.ok_or_else(|| Problem::not_found("role"))?;
            let written = written(&caller, &wanted.name, &wanted.description, &wanted.grants)?;
            // What it granted is taken from whoever has it: that must be the caller's as well.
            if let Some(grant) = identify::of_role(tx, caller.tenant, &id.to_string())? {
                give::may_give(&caller, &grant, &format!("the role {}", before.name))?;
            }
            let was: Value = serde_json::from_str(&before.grants).unwrap_or_default();
            let detail = json!({ "name": written.name, "name_before": before.name, "grants": wanted.grants, "grants_before": was });
            let row = role::Role {
                name: written.name,
                description: written.description,
                grants: written.grants,
                updated_at: now,
                ..before
            };
            role::update(tx, &row)?;
            audit::append(tx, &caller.record(now, "role.change", "role", &id.to_string(), &detail))?;
            Ok::<_, Problem>(row)
        })
        .await?;
    app.access_changed();
    Ok(Json(RoleView::of(row)))
}
