//! Audit records of what happens on the agents' port.

use std::net::SocketAddr;

use quell_store::audit::Record;
use quell_store::endpoint::Endpoint;
use uuid::Uuid;

/// A record of something that an endpoint did to itself: outcome `ok`, no detail.
pub fn of_endpoint(endpoint: &Endpoint, verb: &str, remote: SocketAddr, now_us: i64) -> Record {
    Record {
        tenant_id: endpoint.tenant_id,
        id: Uuid::now_v7(),
        at: now_us,
        actor_kind: "endpoint".to_owned(),
        actor_id: endpoint.id.to_string(),
        actor_name: endpoint.name.clone(),
        verb: verb.to_owned(),
        object_kind: "endpoint".to_owned(),
        object_id: endpoint.id.to_string(),
        outcome: "ok".to_owned(),
        detail: "{}".to_owned(),
        request_id: None,
        remote: Some(remote.ip().to_string()),
    }
}
