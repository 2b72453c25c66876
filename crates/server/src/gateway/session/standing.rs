//! An isolation that the agent tells of and that no outcome did: it ended without one, so nobody would look for a way back.

use std::sync::Arc;

use quell_store::{Error as StoreError, audit, command, endpoint};
use quell_wire::frame::Hello;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::{Shared, trail};
use super::open::Arriving;

/// The order that the agent says it is isolated by, its cut proved not to part it from the server.
fn isolated_by(facts: &[u8]) -> Option<Uuid> {
    let facts: Value = serde_json::from_slice(facts).ok()?;
    let isolation = facts.get("isolation")?;
    (isolation.get("state")?.as_str()? == "isolated").then_some(())?;
    isolation.get("order_id")?.as_str()?.parse().ok()
}

/// Keeps that the endpoint is isolated, where it says so and nothing is on record. An agent can say this of nobody but
/// itself, and only by an order that it was given.
pub(super) async fn note(shared: &Arc<Shared>, arriving: &Arriving, hello: &Hello) -> Result<(), StoreError> {
    let known = arriving.admitted.endpoint();
    if known.isolation.is_some() {
        return Ok(());
    }
    let Some(order) = isolated_by(&hello.facts) else { return Ok(()) };
    let (tenant, id, now) = (known.tenant_id, known.id, shared.now_us());
    let mut record = trail::of_endpoint(known, "endpoint.isolation_found", arriving.remote, now);
    record.detail = json!({ "command": order, "seen": "the agent connected and is isolated" }).to_string();
    shared
        .store
        .write(move |tx| {
            let given = command::get(tx, tenant, order)?.filter(|row| row.endpoint_id == id);
            // Looked at once more: an outcome may have come since the agent was let in.
            let stands = endpoint::get(tx, tenant, id)?.is_none_or(|row| row.isolation.is_some());
            if let (Some(given), false) = (given, stands) {
                let isolation = json!({ "task": given.task_id, "command": order, "since": now });
                endpoint::set_isolation(tx, tenant, id, Some(&isolation.to_string()))?;
                audit::append(tx, &record)?;
            }
            Ok(())
        })
        .await
}
