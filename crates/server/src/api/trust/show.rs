//! `GET /trust`.

use axum::extract::State;
use quell_store::trust;
use utoipa_axum::routes;

use super::TrustState;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::TrustRead, routes!(get_trust))
}

/// Whose signatures endpoints demand, and for what
///
/// What the tenant's offline root signed last, and `quell trust publish` brought here.
#[utoipa::path(get, path = "/trust", tag = "trust", responses((status = 200, body = TrustState)))]
pub(super) async fn get_trust(State(app): State<App>, caller: Caller) -> Result<Json<TrustState>, Problem> {
    let tenant = caller.tenant;
    let row = app.store.read(move |tx| trust::newest(tx, tenant)).await?;
    TrustState::of(tenant, row.as_ref())
}
