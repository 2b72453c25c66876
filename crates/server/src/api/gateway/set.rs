//! `PUT /gateway/addresses`.

use axum::extract::State;
use quell_store::{audit, setting};
use quell_wire::limits;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::GatewayAddresses;
use crate::api::body::Json;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::gateway::addresses::{self, SETTING};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::GatewayManage, routes!(set_gateway_addresses))
}

/// Where agents are to connect.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGatewayAddresses {
    /// `host:port` each, in the order in which they are tried; empty to go back to what the server was started with.
    #[schema(max_items = 64)]
    addresses: Vec<String>,
}

/// Change where agents are told to connect
///
/// Connected agents are told at once, others when they connect; an isolated endpoint lets the new addresses through.
/// Agents go on trying the address of their enrolment as well, and believe no gateway without the server's certificate.
/// It is one setting for the whole server: only administrators of its first tenant change it.
#[utoipa::path(put, path = "/gateway/addresses", tag = "endpoints", request_body = NewGatewayAddresses,
    responses((status = 200, body = GatewayAddresses)))]
pub(super) async fn set_gateway_addresses(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewGatewayAddresses>,
) -> Result<Json<GatewayAddresses>, Problem> {
    if caller.tenant != app.tenant {
        return Err(Problem::new(
            Code::Forbidden,
            "the gateway is set by the administrators of the server's first tenant",
        ));
    }
    let chosen = checked(wanted.addresses)?;
    let _changing = app.addresses.changing.lock().await;
    let now = app.now();
    let value = json!(chosen).to_string();
    let detail = json!({ "addresses": chosen, "before": *app.addresses.current() });
    let tenant = app.tenant;
    let record = caller.record(now, "gateway.set_addresses", "gateway", "addresses", &detail);
    app.store
        .write(move |tx| {
            setting::set(tx, tenant, SETTING, &value, now)?;
            audit::append(tx, &record)
        })
        .await?;
    app.addresses.take(chosen, &app.sessions);
    Ok(Json(GatewayAddresses::of(&app.addresses)))
}

fn checked(addresses: Vec<String>) -> Result<Vec<String>, Problem> {
    if addresses.len() > limits::ADDRESSES {
        return Err(Problem::bad_field("addresses", format!("more than {}", limits::ADDRESSES)));
    }
    for (index, address) in addresses.iter().enumerate() {
        let field = format!("addresses[{index}]");
        addresses::check(address).map_err(|why| Problem::bad_field(&field, why))?;
        if addresses[..index].contains(address) {
            return Err(Problem::bad_field(&field, "named twice"));
        }
    }
    Ok(addresses)
}
