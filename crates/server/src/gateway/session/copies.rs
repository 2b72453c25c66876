//! An identity on two machines, or in two agents: said once, to people, not at every attempt.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use quell_engine::Change;
use quell_store::{Error as StoreError, audit, endpoint};
use serde_json::json;
use uuid::Uuid;

use super::super::admit::Admitted;
use super::super::{Shared, trail};

/// A copy that goes on trying is told of again after this time, microseconds.
const AGAIN: i64 = 3600 * 1_000_000;
/// Endpoints that are remembered.
const MOST: usize = 10_000;

/// Which copies were told of, and when.
#[derive(Debug, Default)]
pub struct Copies {
    told: Mutex<HashMap<Uuid, i64>>,
}

impl Copies {
    /// Whether it is time to tell of this one.
    fn is_news(&self, endpoint: Uuid, now_us: i64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MOST {
            told.retain(|_, at| now_us.saturating_sub(*at) < AGAIN);
        }
        let due = told.get(&endpoint).is_none_or(|at| now_us.saturating_sub(*at) >= AGAIN);
        if due && told.len() < MOST {
            told.insert(endpoint, now_us);
        }
        due
    }
}

/// Raises the alarm on the endpoint and writes it to the audit.
pub async fn alarm(shared: &Shared, admitted: &Admitted, remote: SocketAddr, why: &str, machine: &str) {
    let (known, now) = (admitted.endpoint(), shared.now_us());
    let (tenant, id) = (known.tenant_id, known.id);
    tracing::warn!(endpoint.id = %id, %remote, why, "an identity was copied");
    if !shared.copies.is_news(id, now) {
        return;
    }
    let mut record = trail::of_endpoint(known, "endpoint.identity_copied", remote, now);
    "identity_copied".clone_into(&mut record.outcome);
    record.detail = json!({ "why": why, "fingerprint": machine }).to_string();
    let text = format!("its identity was used a second time, from {}: {why}", remote.ip());
    let written = shared.store.write(move |tx| {
        endpoint::set_alarm(tx, tenant, id, Some(&text))?;
        audit::append(tx, &record)
    });
    match written.await {
        Ok(()) => shared.engine.changes().tell(Change::Endpoint { tenant, endpoint: id }),
        Err(error) => {
            let error: StoreError = error;
            tracing::error!(error = &error as &dyn std::error::Error, "an alarm was not written");
        }
    }
}
