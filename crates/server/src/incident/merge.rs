//! One incident that takes another over: chains, detections, notes and tasks go to the one; the other is closed as a duplicate.

use quell_store::incident::{self, Incident, group};
use quell_store::{Error, Micros, Tx, chain, detection};

use super::search::remember;
use super::{CHAINS, DETECTIONS};

/// Whether both together are more than one incident holds.
pub(crate) fn is_too_much(tx: &mut Tx<'_>, one: &Incident, other: &Incident) -> Result<bool, Error> {
    let chains =
        chain::count_of(tx, one.tenant_id, one.id)? + chain::count_of(tx, other.tenant_id, other.id)?;
    Ok(chains > CHAINS || one.detections + other.detections > DETECTIONS)
}

/// Gives all that an incident has to another, and closes it in the name of whoever does so. What `into` is from then on is the
/// caller's to write.
pub(crate) fn take_over(
    tx: &mut Tx<'_>,
    (from, into): (&Incident, &mut Incident),
    by: &str,
    now: Micros,
) -> Result<Incident, Error> {
    let tenant = from.tenant_id;
    chain::move_all(tx, tenant, from.id, into.id)?;
    detection::move_all(tx, tenant, from.id, into.id)?;
    group::move_all(tx, tenant, from.id, into.id)?;
    into.first_at = into.first_at.min(from.first_at);
    into.last_at = into.last_at.max(from.last_at);
    into.detections += from.detections;
    if !into.is_graded {
        into.severity = into.severity.max(from.severity);
    }
    remember(&mut into.search, from.search.split('\n'));
    let mut closed = from.clone();
    closed.detections = 0;
    "closed".clone_into(&mut closed.state);
    closed.resolution = Some("duplicate".to_owned());
    closed.closed_at = Some(now);
    closed.closed_by = Some(by.to_owned());
    closed.merged_into = Some(into.id);
    incident::grow(tx, &closed)?;
    incident::change(tx, &closed)?;
    Ok(closed)
}
