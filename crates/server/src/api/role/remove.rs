//! `DELETE /roles/{id}`.

use axum::extract::State;
use http::StatusCode;
use quell_store::{api_key, audit, membership, role};
use serde_json::json;
use utoipa_axum::routes;

use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::PersonManage, routes!(remove_role))
}

/// Remove a role that nobody has
#[utoipa::path(delete, path = "/roles/{id}", tag = "access", params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub(super) async fn remove_role(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let now = app.now();
    app.store
        .write(move |tx| {
            let tenant = caller.tenant;
            let row = role::get(tx, tenant, id)?.ok_or_else(|| Problem::not_found("role"))?;
            let name = id.to_string();
            if membership::is_in_use(tx, tenant, &name)? || api_key::is_in_use(tx, tenant, &name)? {
                return Err(Problem::new(Code::Conflict, "people or API keys have the role")
                    .hint("Take it from them first."));
            }
            role::delete(tx, tenant, id)?;
            audit::append(
                tx,
                &caller.record(now, "role.remove", "role", &name, &json!({ "name": row.name })),
            )?;
            Ok::<_, Problem>(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
