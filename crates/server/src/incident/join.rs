//! Which incident what was detected belongs to: the open ones that may be it are looked up here, and judged elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use quell_incident::View;
use quell_incident::join::{self, Link, LinkKind, Links, Open};
use quell_store::chain::{self, Chain};
use quell_store::incident::{self, Incident};
use quell_store::{Error, Micros, Tx};
use quell_wire::activity::{Process, ProcessKey, Source};
use uuid::Uuid;

use super::{CHAINS, DETECTIONS, update};

/// Links of one kind that are looked at.
const LOOKED_AT: i64 = 500;
/// Links that one incident keeps. Beyond, it is found by those that it has.
pub(super) const LINKS: i64 = 5_000;
/// Of these, those of what was merely done after something was detected: however much that is, the next detection finds room.
pub(super) const LINKS_OF_ACTIVITY: i64 = 4_000;
/// Incidents that one endpoint may make in [`SPAN`]; what it detects beyond joins the newest of them, as long as that has room.
const OF_ENDPOINT: i64 = 30;
/// Processes that a chain was asked for and that are looked up.
const ASKED: usize = 8;
/// An hour, microseconds.
const SPAN: Micros = 3600 * 1_000_000;

/// The incident that something belongs to, and why.
pub(super) type Found = Option<(Incident, String)>;

/// The open incident, but for this one, that has most in common with these links.
pub(crate) fn find(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    asked: &[Link],
    except: Option<Uuid>,
) -> Result<Found, Error> {
    let open = open(tx, tenant, asked, except)?;
    let Some(joined) = join::decide(asked, &open) else { return Ok(None) };
    let Some(id) = joined.incident.parse().ok() else { return Ok(None) };
    let Some(incident) = incident::get(tx, tenant, id)? else { return Ok(None) };
    if !has_room(tx, &incident)? {
        return Ok(None);
    }
    let why: Vec<String> = joined.reasons.into_iter().map(|reason| reason.text).collect();
    Ok(Some((incident, why.join("; "))))
}

/// Whether an incident takes another chain.
pub(super) fn has_room(tx: &mut Tx<'_>, incident: &Incident) -> Result<bool, Error> {
    let chains = chain::count_of(tx, incident.tenant_id, incident.id)?;
    Ok(incident.detections < DETECTIONS && chains < CHAINS)
}

/// The open incident that holds a process that a chain was asked for.
pub(super) fn holding(tx: &mut Tx<'_>, row: &Chain, view: &View<'_>) -> Result<Found, Error> {
    let asked = view.detections().filter(|(_, hit)| hit.source() == Source::Asked);
    let keys: BTreeSet<ProcessKey> =
        asked.filter_map(|(entry, _)| entry.map(|entry| entry.activity.process)).take(ASKED).collect();
    for key in keys {
        // What runs everything else is of every incident.
        let is_daemon = |process: &Process| quell_incident::system::is_daemon(&process.image);
        let Some(node) = view.node(key).filter(|node| key.pid > 2 && !node.process.is_none_or(is_daemon))
        else {
            continue;
        };
        let Some(id) = chain::holding(tx, row, update::key(key))? else { continue };
        let Some(incident) = incident::get(tx, row.tenant_id, id)? else { continue };
        if has_room(tx, &incident)? {
            let why = format!("it goes through {} ({}), which is of a chain there", node.name(), key.pid);
            return Ok(Some((incident, why)));
        }
    }
    Ok(None)
}

/// The incident that an endpoint's detections belong to which makes more incidents than anybody could look at.
pub(crate) fn of_flood(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid, now: Micros) -> Result<Found, Error> {
    let made = incident::of_endpoint_since(tx, tenant, endpoint, now - SPAN, OF_ENDPOINT)?;
    if made.len() < OF_ENDPOINT as usize {
        return Ok(None);
    }
    // Where that is full another begins: those before it may be of something else.
    let Some(newest) = made.into_iter().next() else { return Ok(None) };
    let is_roomy = has_room(tx, &newest)?;
    Ok(is_roomy.then(|| (newest, format!("its endpoint made {OF_ENDPOINT} incidents within an hour"))))
}

fn open(tx: &mut Tx<'_>, tenant: Uuid, asked: &[Link], except: Option<Uuid>) -> Result<Vec<Open>, Error> {
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
    for (id, links) in found.into_iter().filter(|(id, _)| Some(*id) != except) {
        let Some(row) = incident::get(tx, tenant, id)? else { continue };
        let chains = usize::try_from(chain::count_of(tx, tenant, id)?).unwrap_or(usize::MAX);
        open.push(Open { incident: id.to_string(), links, chains, last_at_us: row.last_at });
    }
    Ok(open)
}

/// Keeps the links by which later detections find the incident, where it has fewer than so many.
pub(super) fn keep(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    id: Uuid,
    (links, most): (&Links, i64),
) -> Result<(), Error> {
    if links.kept.is_empty() || incident::group::count_links(tx, tenant, id)? >= most {
        return Ok(());
    }
    let mut rows: Vec<(&str, String, Micros)> =
        links.kept.iter().map(|link| (link.kind.as_str(), link.value.clone(), link.at_us)).collect();
    // In one order, since agents of one incident are written for side by side.
    rows.sort();
    incident::link::put(tx, tenant, id, &rows)
}
