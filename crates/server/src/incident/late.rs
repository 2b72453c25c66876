//! What is learned of a chain after something was detected on it: it is kept, so that later chains find the incident; and where
//! it shows within minutes that the incident is a part of an older one, it becomes that. Hashes come a moment after what ran,
//! and a detection goes ahead of the events around it.

use quell_engine::Change;
use quell_incident::join::Links;
use quell_store::chain::{self, Chain};
use quell_store::incident::{self, Incident};
use quell_store::{Error, Micros, Tx, audit, detection};
use serde_json::json;

use super::belong::record;
use super::take::From;
use super::{join, merge, news};

/// How long after its chain began an incident may still turn out to be part of an older one, microseconds. Later, people
/// rely on what they were told.
const LATE: Micros = 5 * 60 * 1_000_000;

/// Whether a chain is so young that what it tells may still decide to which incident it belongs.
pub(super) fn is_young(row: &Chain, now: Micros) -> bool {
    row.opened_at > now - LATE
}

/// Keeps what a chain goes on to tell for its incident, or gives the incident to the older one that it is a part of, which only
/// one transaction of the tenant may do at a time.
pub(super) fn go_on(
    tx: &mut Tx<'_>,
    from: &From,
    row: &mut Chain,
    (of, links): (Incident, &Links),
    (is_alone, now): (bool, Micros),
) -> Result<Vec<Change>, Error> {
    let older = if is_alone && is_young(row, now) { older(tx, &of, links)? } else { None };
    let Some((mut into, why)) = older else {
        join::keep(tx, from.tenant, of.id, (links, join::LINKS_OF_ACTIVITY))?;
        return Ok(Vec::new());
    };
    detection::explain(tx, from.tenant, of.id, &why)?;
    let over = merge::take_over(tx, (&of, &mut into), &from.name, now)?;
    incident::grow(tx, &into)?;
    join::keep(tx, from.tenant, into.id, (links, join::LINKS))?;
    row.incident_id = Some(into.id);
    for (incident, verb, detail) in [
        (&over, "incident.close", json!({ "number": over.number, "into": into.number, "reason": &why })),
        (&into, "incident.merge", json!({ "number": into.number, "merged": [over.number], "reason": &why })),
    ] {
        audit::append(tx, &record(from, incident.id, verb, &detail, now))?;
    }
    Ok(vec![news(&over), news(&into)])
}

/// The older incident that this one is a part of, and why; none where a person worked on this one already.
fn older(tx: &mut Tx<'_>, of: &Incident, links: &Links) -> Result<join::Found, Error> {
    let counts = incident::counts(tx, of.tenant_id, of.id)?;
    let is_untouched = of.state == "open" && of.revision == 1 && counts.notes == 0 && counts.tasks == 0;
    if !is_untouched || chain::count_of(tx, of.tenant_id, of.id)? != 1 {
        return Ok(None);
    }
    let found = join::find(tx, of.tenant_id, &links.asked, Some(of.id))?;
    let Some((into, why)) = found.filter(|(into, _)| into.number < of.number) else { return Ok(None) };
    if merge::is_too_much(tx, of, &into)? {
        return Ok(None);
    }
    Ok(Some((into, why)))
}
