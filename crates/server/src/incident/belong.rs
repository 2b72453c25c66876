//! What was detected on a chain, joined to the incident that it belongs to, or made one of its own.

use quell_engine::Change;
use quell_incident::View;
use quell_incident::join::{self as judge, Links};
use quell_incident::summary::{self, Summary};
use quell_store::chain::{self, Chain};
use quell_store::detection::{self, Detection};
use quell_store::incident::{self, Incident, group};
use quell_store::{Error, Micros, Tx, audit};
use quell_wire::activity::Source;
use serde_json::{Value, json};
use uuid::Uuid;

use super::gather::{self, Depth};
use super::search::remember;
use super::take::From;
use super::{detected, join, news, product, word};

/// Activity events of a chain up to which all of it is looked at when something was detected; beyond, the key events alone.
const LOOKED_AT: i64 = 4_000;
/// The severity from which on people are told of an incident.
const HIGH: i64 = 4;

/// The incident of a chain and why its detections belong there; none where a new one begins.
type Found = Option<(Incident, Option<String>)>;

/// Joins what was detected on a chain to its incident, or makes one of it. `of` is the incident that the chain belongs to, `told`
/// what is new; what is to be told once it is committed.
pub(super) fn belong(
    tx: &mut Tx<'_>,
    from: &From,
    row: &mut Chain,
    (of, told): (Option<Incident>, &[Detection]),
    now: Micros,
) -> Result<Vec<Change>, Error> {
    let depth = if row.activities <= LOOKED_AT { Depth::Whole } else { Depth::Keys };
    let stored = gather::chain(tx, row, depth)?;
    let view = View::of(&stored);
    let setting = gather::setting(tx, from.tenant, [from.endpoint], |_| true, &[])?;
    let links = judge::links(&view, &setting);
    let summary = summary::of(std::slice::from_ref(&view), &setting);
    let is_asked = told.iter().any(|found| found.source == word::source(Source::Asked));
    let named = if is_asked || of.is_none() { product::told(tx, from, &view, &links)? } else { Vec::new() };
    let found = match of {
        Some(incident) => Some((incident, None)),
        None => find(tx, from, row, (&view, &links, &named), now)?,
    };
    let is_new = found.is_none();
    let (mut incident, why) = found.unwrap_or_else(|| (begun(from, &summary, told, now), None));
    let before = (incident.state.clone(), incident.severity);
    let is_its_chain = row.incident_id == Some(incident.id);
    grow(tx, &mut incident, (&summary, told), is_its_chain, &from.name)?;
    if is_new {
        incident.number = incident::insert(tx, &incident)?;
    }
    product::take_in(tx, &mut incident, &named)?;
    incident::grow(tx, &incident)?;
    if let Some(verb) = verb(is_new, (&before.0, before.1), incident.severity) {
        audit::append(tx, &record(from, incident.id, verb, &detail(from, &incident), now))?;
    }
    row.incident_id = Some(incident.id);
    detection::join_chain(tx, (from.tenant, row.id), incident.id, why.as_deref())?;
    add(tx, from, incident.id, (&summary, told), &links)?;
    let of_each = |found: &Detection| detected(from.tenant, found.id, Some(incident.id), found.severity);
    Ok(std::iter::once(news(&incident)).chain(told.iter().map(of_each)).collect())
}

/// The incident that a chain has most in common with, else the one that holds what it was asked for, else the newest of an
/// endpoint that makes too many.
fn find(
    tx: &mut Tx<'_>,
    from: &From,
    row: &Chain,
    (view, links, named): (&View<'_>, &Links, &product::Told),
    now: Micros,
) -> Result<Found, Error> {
    let mut found = join::find(tx, from.tenant, &links.asked, None)?;
    if found.is_none() {
        found = join::holding(tx, row, view)?;
    }
    if found.is_none() {
        found = product::incident_of(tx, named)?;
    }
    if found.is_none() {
        found = join::of_flood(tx, from.tenant, from.endpoint, now)?;
    }
    Ok(found.map(|(incident, why)| (incident, Some(why))))
}

/// Notes endpoint, techniques and links of an incident.
fn add(
    tx: &mut Tx<'_>,
    from: &From,
    incident: Uuid,
    (summary, told): (&Summary, &[Detection]),
    links: &Links,
) -> Result<(), Error> {
    let last_at = told.iter().map(|found| found.at).max().unwrap_or_default();
    group::put_member(tx, (from.tenant, incident), from.endpoint, told.len() as i64, last_at)?;
    for technique in &summary.techniques {
        group::put_technique(tx, from.tenant, incident, technique)?;
    }
    join::keep(tx, from.tenant, incident, (links, join::LINKS))
}

/// What the trail says of an incident that more was detected of; nothing where it only grew.
fn verb(is_new: bool, (state, severity): (&str, i64), now: i64) -> Option<&'static str> {
    match (is_new, state) {
        (true, _) => Some("incident.create"),
        (false, "closed") => Some("incident.reopen"),
        (false, _) => (severity < HIGH && now >= HIGH).then_some("incident.raise"),
    }
}

/// An incident of which nothing is written yet.
fn begun(from: &From, summary: &Summary, told: &[Detection], now: Micros) -> Incident {
    let first_at = told.iter().map(|found| found.at).min().unwrap_or(now);
    Incident {
        tenant_id: from.tenant,
        id: Uuid::now_v7(),
        number: 0,
        title: summary.title.clone(),
        is_titled: false,
        severity: 1,
        is_graded: false,
        state: "open".to_owned(),
        resolution: None,
        assignee_id: None,
        assignee_name: None,
        created_at: now,
        first_at,
        last_at: first_at,
        closed_at: None,
        closed_by: None,
        merged_into: None,
        detections: 0,
        revision: 1,
        search: String::new(),
    }
}

/// Adds what was detected to what an incident says.
fn grow(
    tx: &mut Tx<'_>,
    incident: &mut Incident,
    (summary, told): (&Summary, &[Detection]),
    is_its_chain: bool,
    endpoint: &str,
) -> Result<(), Error> {
    let severity = i64::from(summary.severity_number).clamp(1, 5);
    let is_only = is_its_chain && chain::count_of(tx, incident.tenant_id, incident.id)? == 1;
    if !incident.is_titled && (is_only || severity > incident.severity) {
        incident.title.clone_from(&summary.title);
    }
    if !incident.is_graded {
        incident.severity = incident.severity.max(severity);
    }
    for found in told {
        incident.first_at = incident.first_at.min(found.at);
        incident.last_at = incident.last_at.max(found.at);
    }
    incident.detections += told.len() as i64;
    if incident.state == "closed" {
        "open".clone_into(&mut incident.state);
        (incident.resolution, incident.closed_at, incident.closed_by) = (None, None, None);
    }
    let title = incident.title.clone();
    remember(&mut incident.search, [title.as_str(), endpoint].into_iter());
    for found in told {
        remember(&mut incident.search, found.search.split('\n'));
    }
    Ok(())
}

fn detail(from: &From, incident: &Incident) -> Value {
    json!({
        "number": incident.number,
        "title": incident.title,
        "severity": word::severity(incident.severity),
        "endpoint": from.endpoint,
        "endpoint_name": from.name,
    })
}

/// What the trail says of an incident that an endpoint's chain made or changed.
pub(super) fn record(from: &From, incident: Uuid, verb: &str, detail: &Value, now: Micros) -> audit::Record {
    audit::Record {
        tenant_id: from.tenant,
        id: Uuid::now_v7(),
        at: now,
        actor_kind: "endpoint".to_owned(),
        actor_id: from.endpoint.to_string(),
        actor_name: from.name.clone(),
        verb: verb.to_owned(),
        object_kind: "incident".to_owned(),
        object_id: incident.to_string(),
        outcome: "ok".to_owned(),
        detail: detail.to_string(),
        request_id: None,
        remote: from.remote.clone(),
    }
}
