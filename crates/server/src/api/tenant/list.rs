//! `GET /tenants`.

use axum::extract::State;
use quell_access::Permission;
use quell_store::{membership, tenant};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::TenantView;
use crate::api::body::Json;
use crate::api::query::Query;
use crate::api::route::{Route, signed_in};
use crate::auth::{Caller, Principal};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    signed_in(routes!(list_tenants))
}

/// Which tenants.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// All on the server, for administrators of its first tenant; else those that the caller is a member of.
    #[serde(default)]
    all: bool,
}

/// Tenants.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TenantList {
    /// By name, at most a thousand.
    items: Vec<TenantView>,
}

/// The tenants that you are a member of
#[utoipa::path(get, path = "/tenants", tag = "access", params(Which), responses((status = 200, body = TenantList)))]
pub(super) async fn list_tenants(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<TenantList>, Problem> {
    let may_see_all = caller.tenant == app.tenant && caller.access().allows(Permission::TenantManage);
    if which.all && !may_see_all {
        return Err(Problem::new(
            Code::Forbidden,
            "all tenants are seen by the administrators of the server's first tenant",
        ));
    }
    let (current, id, principal) = (caller.tenant, caller.identity.id, caller.identity.principal);
    let rows = app
        .store
        .read(move |tx| match principal {
            _ if which.all => tenant::list(tx),
            Principal::Person { .. } => membership::tenants(tx, id),
            Principal::Key => Ok(tenant::get(tx, current)?.into_iter().collect()),
        })
        .await?;
    Ok(Json(TenantList { items: rows.into_iter().map(|row| TenantView::of(current, row)).collect() }))
}
