//! Incidents: what endpoints detected, taken in with the chain of what led to it, and joined to what belongs together.
//!
//! [`update`] makes rows of what an agent sent, outside of any transaction; [`take`] writes them and everything that follows
//! in one; [`belong`] joins it, and [`late`] what is learned a moment after. What belongs together is judged by `quell_incident`;
//! [`join`] and [`product`] look up for it what may.

mod belong;
pub(crate) mod budget;
pub(crate) mod gather;
mod hit;
pub(crate) mod ingest;
pub(crate) mod join;
mod judged;
mod late;
pub(crate) mod merge;
pub(crate) mod places;
mod product;
pub(crate) mod retention;
pub(crate) mod room;
pub(crate) mod search;
pub(crate) mod take;
pub(crate) mod update;
pub(crate) mod word;

use quell_engine::{Change, Changes};
use quell_store::incident::Incident;
use uuid::Uuid;

/// Chains of one incident; a chain beyond makes another incident.
pub(crate) const CHAINS: i64 = 200;
/// Detections of one incident; one beyond makes another incident.
pub(crate) const DETECTIONS: i64 = 20_000;
/// Chains of one endpoint that are kept whole.
pub(crate) const CHAINS_OF_ENDPOINT: i64 = 5_000;
/// Bytes of chains that are taken from one endpoint before older ones are gone.
pub(crate) const BYTES_OF_ENDPOINT: i64 = 4 << 30;

/// News of an incident.
pub(crate) fn news(incident: &Incident) -> Change {
    Change::Incident {
        tenant: incident.tenant_id,
        incident: incident.id,
        number: incident.number,
        state: incident.state.clone(),
        severity: incident.severity,
    }
}

/// News of a detection.
pub(crate) fn detected(tenant: Uuid, detection: Uuid, incident: Option<Uuid>, severity: i64) -> Change {
    Change::Detection { tenant, detection, incident, severity }
}

/// Tells them all.
pub(crate) fn tell(changes: &Changes, news: Vec<Change>) {
    for change in news {
        changes.tell(change);
    }
}
