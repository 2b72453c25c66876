//! `POST /roles`.

use axum::extract::State;
use axum::response::Response;
use quell_access::Grants;
use quell_store::{audit, role};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{GrantsView, RoleView, written};
use crate::api::ROOT;
use crate::api::body::{Json, created};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::PersonManage, routes!(create_role))
}

/// A role to make, or as it is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRole {
    /// Its name.
    #[schema(min_length = 1, max_length = 100)]
    pub(super) name: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub(super) description: String,
    /// What it grants.
    #[schema(value_type = GrantsView)]
    pub(super) grants: Grants,
}

/// Make a role
///
/// Of permissions, actions, and the tags of the endpoints that it reaches. Nobody puts into one what they do not have.
#[utoipa::path(post, path = "/roles", tag = "access", request_body = NewRole,
    responses((status = 201, body = RoleView)))]
pub(super) async fn create_role(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewRole>,
) -> Result<Response, Problem> {
    let written = written(&caller, &wanted.name, &wanted.description, &wanted.grants)?;
    let now = app.now();
    let row = role::Role {
        tenant_id: caller.tenant,
        id: Uuid::now_v7(),
        name: written.name,
        description: written.description,
        grants: written.grants,
        created_at: now,
        updated_at: now,
    };
    let detail = json!({ "name": row.name, "grants": wanted.grants });
    let record = caller.record(now, "role.create", "role", &row.id.to_string(), &detail);
    let view = row.clone();
    app.store
        .write(move |tx| {
            role::insert(tx, &row)?;
            audit::append(tx, &record)
        })
        .await?;
    let location = format!("{ROOT}/roles/{}", view.id);
    Ok(created(&location, RoleView::of(view)))
}
