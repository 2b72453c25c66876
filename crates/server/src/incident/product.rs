//! What other products told of what a chain goes through, on the same endpoint: it belongs to the incident of that chain.

use quell_incident::join::{self as judge, Link, LinkKind, Links, Open};
use quell_incident::text::{NAME, shown};
use quell_incident::{Object, View};
use quell_store::detection::{self, Detection};
use quell_store::incident::{self, Incident, group};
use quell_store::{Error, Micros, Tx};
use quell_wire::activity::Source;

use super::take::From;
use super::{DETECTIONS, join, search::remember};

/// Records of products that are looked at for one chain, the latest.
const LOOKED_AT: i64 = 200;
/// How long before a product's record, and after it, may have happened what a chain was asked for because of it, microseconds.
/// The console asks for as much.
const BEFORE: Micros = 3600 * 1_000_000;
const AFTER: Micros = 600 * 1_000_000;

/// Records that products told of an endpoint, each with why it belongs to the chain.
pub(super) type Told = Vec<(Detection, String)>;

/// What products told of this endpoint that is of this chain.
pub(super) fn told(tx: &mut Tx<'_>, from: &From, view: &View<'_>, links: &Links) -> Result<Told, Error> {
    let own = Open { links: links.kept.clone(), ..Open::default() };
    let Some(last) = own.links.iter().map(|link| link.at_us).max() else { return Ok(Vec::new()) };
    let since = last.saturating_sub(LinkKind::File.window_us());
    let rows = detection::of_products(tx, from.tenant, from.endpoint, since, LOOKED_AT)?;
    let asked = asked(view);
    let why = |row: &Detection| {
        let joined = judge::decide(&of_row(row, &from.name), std::slice::from_ref(&own));
        let reasons = joined.map(|joined| joined.reasons.into_iter().map(|reason| reason.text));
        let why = reasons.map(|reasons| reasons.collect::<Vec<_>>().join("; "));
        why.or_else(|| {
            is_asked_about(row, &asked).then(|| "the chain was asked for because of it".to_owned())
        })
    };
    Ok(rows.into_iter().filter_map(|row| why(&row).map(|why| (row, why))).collect())
}

/// By what a record of a product is recognised: the content and the file that it names.
pub(super) fn of_row(row: &Detection, endpoint_name: &str) -> Vec<Link> {
    let label = row.path.as_deref().map_or_else(|| "content".to_owned(), |path| shown(path, NAME));
    let content = row.sha256.as_deref().map(|sha256| judge::of_content(sha256, &label, row.at));
    let file = row
        .path
        .as_deref()
        .zip(row.endpoint_id)
        .map(|(path, endpoint)| judge::of_file((&endpoint.to_string(), endpoint_name), path, row.at));
    content.into_iter().chain(file).collect()
}

/// The incident that already has one of these records.
pub(super) fn incident_of(tx: &mut Tx<'_>, told: &Told) -> Result<join::Found, Error> {
    for (row, why) in told {
        let Some(id) = row.incident_id else { continue };
        let Some(incident) = incident::get(tx, row.tenant_id, id)? else { continue };
        if incident.state != "closed" && join::has_room(tx, &incident)? {
            return Ok(Some((incident, format!("{} told of it: {why}", row.source))));
        }
    }
    Ok(None)
}

/// Gives those records that belong nowhere to an incident. Their word does not change how bad that is.
pub(super) fn take_in(tx: &mut Tx<'_>, of: &mut Incident, told: &Told) -> Result<(), Error> {
    for (row, why) in told {
        if of.detections >= DETECTIONS || !detection::join(tx, of.tenant_id, row.id, of.id, why)? {
            continue;
        }
        note(tx, of, row)?;
    }
    Ok(())
}

/// Notes in an incident that it has this record; it is the caller's to write.
pub(super) fn note(tx: &mut Tx<'_>, of: &mut Incident, row: &Detection) -> Result<(), Error> {
    of.first_at = of.first_at.min(row.at);
    of.last_at = of.last_at.max(row.at);
    of.detections = (of.detections + 1).min(DETECTIONS);
    remember(&mut of.search, row.search.split('\n'));
    if let Some(endpoint) = row.endpoint_id {
        group::put_member(tx, (of.tenant_id, of.id), endpoint, 1, row.at)?;
    }
    let techniques: Vec<String> = serde_json::from_str(&row.techniques).unwrap_or_default();
    for technique in &techniques {
        group::put_technique(tx, of.tenant_id, of.id, technique)?;
    }
    Ok(())
}

/// What a chain was asked for: paths, and when that happened.
fn asked<'a>(view: &View<'a>) -> Vec<(&'a [u8], Micros)> {
    let hits = view.detections().filter(|(_, hit)| hit.source() == Source::Asked);
    let objects = hits.filter_map(|(entry, _)| {
        let entry = entry?;
        Some((Object::of(entry.activity)?, entry.activity.at_us))
    });
    let paths = objects.flat_map(|(object, at_us)| {
        let program = object.image.map(|image| image.path.as_slice());
        [Some(object.path), program].into_iter().flatten().map(move |path| (path, at_us))
    });
    paths.filter(|(path, _)| !path.is_empty()).collect()
}

fn is_asked_about(row: &Detection, asked: &[(&[u8], Micros)]) -> bool {
    let Some(own) = row.path.as_deref() else { return false };
    asked.iter().any(|(path, at_us)| *path == own && (row.at - BEFORE..=row.at + AFTER).contains(at_us))
}
