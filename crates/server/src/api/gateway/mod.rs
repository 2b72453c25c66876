//! The agents' port, as far as people set it.

mod set;
mod show;

use serde::Serialize;
use utoipa::ToSchema;

use super::route::Route;
use crate::gateway::Addresses;

/// The routes of the gateway.
pub(crate) fn routes() -> Vec<Route> {
    vec![show::route(), set::route()]
}

/// Where agents are told to connect.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GatewayAddresses {
    /// `host:port` each; empty where agents stay with the address that they dialled.
    addresses: Vec<String>,
    /// `chosen` by an administrator, or `configured` where the server was started.
    source: &'static str,
}

impl GatewayAddresses {
    fn of(addresses: &Addresses) -> Self {
        let source = if addresses.chosen().is_empty() { "configured" } else { "chosen" };
        Self { addresses: addresses.current().to_vec(), source }
    }
}
