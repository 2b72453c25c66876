//! `DELETE /sso/providers/{id}`.

use axum::extract::State;
use http::StatusCode;
use quell_access::Role;
use quell_store::{audit, identity_provider, membership};
use serde_json::json;
use utoipa_axum::routes;

use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::SsoManage, routes!(remove_provider))
}

/// Remove an identity provider
///
/// The roles that its groups gave are taken at once. The accounts stay, without a way in.
#[utoipa::path(delete, path = "/sso/providers/{id}", tag = "access", params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub(super) async fn remove_provider(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let (now, tenant) = (app.now(), caller.tenant);
    app.store
        .write(move |tx| {
            let row = identity_provider::get(tx, tenant, id)?
                .ok_or_else(|| Problem::not_found("identity provider"))?;
            let administrator = Role::Administrator.as_str();
            let before = membership::holders(tx, tenant, administrator)?;
            let roles = identity_provider::take_roles(tx, tenant, id)?;
            if before > 0 && membership::holders(tx, tenant, administrator)? == 0 {
                return Err(Problem::new(Code::Conflict, "it is the provider that makes the last administrator one")
                    .hint("Give somebody the role administrator by hand first."));
            }
            let identities = identity_provider::forget(tx, tenant, id)?;
            identity_provider::delete(tx, tenant, id)?;
            let detail = json!({ "name": row.name, "issuer": row.issuer, "roles_taken": roles, "identities_forgotten": identities });
            Ok(audit::append(tx, &caller.record(now, "sso.remove", "identity_provider", &id.to_string(), &detail))?)
        })
        .await?;
    app.access_changed();
    Ok(StatusCode::NO_CONTENT)
}
