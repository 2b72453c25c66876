//! Which incident what was detected belongs to: the open ones that may be it are looked up here, and judged elsewhere.

use std::collections::BTreeMap;

use quell_incident::join::{self, Link, LinkKind, Links, Open};
use quell_store::incident::{self, Incident};
use quell_store::{Error, Micros, Tx, chain};
use uuid::Uuid;

use super::{CHAINS, DETECTIONS};

/// Links of one kind that are looked at.
const LOOKED_AT: i64 = 500;
/// Links that one incident keeps. Beyond, it is found by those that it has.
const LINKS: i64 = 5_000;
/// Incidents that one endpoint may make in [`SPAN`]; what it detects beyond joins the newest of them.
const OF_ENDPOINT: i64 = 30;
/// An hour, microseconds.
const SPAN: Micros = 3600 * 1_000_000;

/// The incident that something belongs to, and why.
pub(super) type Found = Option<(Incident, String)>;

/// The open incident that has most in common with these links.
pub(crate) fn find(tx: &mut Tx<'_>, tenant: Uuid, asked: &[Link]) -> Result<Found, Error> {
    let open = open(tx, tenant, asked)?;
    let Some(joined) = join::decide(asked, &open) else { return Ok(None) };
    let Some(id) = joined.incident.parse().ok() else { return Ok(None) };
    let Some(incident) = incident::get(tx, tenant, id)? else { return Ok(None) };
    if incident.detections >= DETECTIONS || chain::count_of(tx, tenant, id)? >= CHAINS {
        return Ok(None);
    }
    let why: Vec<String> = joined.reasons.into_iter().map(|reason| reason.text).collect();
    Ok(Some((incident, why.join("; "))))
}

/// The incident that an endpoint's detections belong to which makes more incidents than anybody could look at.
pub(crate) fn of_flood(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid, now: Micros) -> Result<Found, Error> {
    let made = incident::of_endpoint_since(tx, tenant, endpoint, now - SPAN, OF_ENDPOINT)?;
    if made.len() < OF_ENDPOINT as usize {
        return Ok(None);
    }
    let newest = made.into_iter().next();
    Ok(newest.map(|incident| (incident, format!("its endpoint made {OF_ENDPOINT} incidents within an hour"))))
}

fn open(tx: &mut Tx<'_>, tenant: Uuid, asked: &[Link]) -> Result<Vec<Open>, Error> {
    let mut found: BTreeMap<Uuid, Vec<Link>> = BTreeMap::new();
    for kind in LinkKind::ALL {
        let of_kind: Vec<&Link> = asked.iter().filter(|link| link.kind == kind).collect();
        let Some(first) = of_kind.iter().map(|link| link.at_us).min() else { continue };
        let values: Vec<String> = of_kind.iter().map(|link| link.value.clone()).collect();
        let since = first.saturating_sub(kind.window_us());
        for link in incident::link::linked(tx, tenant, kind.as_str(), &values, since, LOOKED_AT)? {
            let own = Link { kind, value: link.value, shown: String::new(), at_us: link.last_at };
            found.entry(link.incident_id).or_default().push(own);
        }
    }
    let mut open = Vec::with_capacity(found.len());
    for (id, links) in found {
        let Some(row) = incident::get(tx, tenant, id)? else { continue };
        let chains = usize::try_from(chain::count_of(tx, tenant, id)?).unwrap_or(usize::MAX);
        open.push(Open { incident: id.to_string(), links, chains, last_at_us: row.last_at });
    }
    Ok(open)
}

/// Keeps the links by which later detections find the incident.
pub(crate) fn keep(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, links: &Links) -> Result<(), Error> {
    if incident::group::count_links(tx, tenant, id)? >= LINKS {
        return Ok(());
    }
    let rows: Vec<(&str, String, Micros)> =
        links.kept.iter().map(|link| (link.kind.as_str(), link.value.clone(), link.at_us)).collect();
    incident::link::put(tx, tenant, id, &rows)
}
