//! `GET /gateway/addresses`.

use axum::extract::State;
use utoipa_axum::routes;

use super::GatewayAddresses;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::Permission;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::GatewayRead, routes!(get_gateway_addresses))
}

/// Where agents are told to connect
#[utoipa::path(get, path = "/gateway/addresses", tag = "endpoints", responses((status = 200, body = GatewayAddresses)))]
pub(super) async fn get_gateway_addresses(State(app): State<App>) -> Json<GatewayAddresses> {
    Json(GatewayAddresses::of(&app.addresses))
}
