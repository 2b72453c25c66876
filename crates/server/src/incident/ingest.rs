//! What other products detected, as rows beside our own: each once, on the endpoint that it names beyond doubt, and in the
//! incident that has the same content.

use std::collections::BTreeSet;

use quell_incident::join::{Link, LinkKind};
use quell_incident::text::shown;
use quell_ingest::{Event, Severity, Verdict};
use quell_store::incident;
use quell_store::{Error, Micros, Tx, detection};
use quell_wire::activity::is_technique;
use quell_wire::limits;
use uuid::Uuid;

use super::places::Places;
use super::search::remember;
use super::update::plausible;
use super::{detected, join, news, product};

/// Bytes of what a source calls a record.
const SOURCE_ID: usize = 512;

/// What became of events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// Written now.
    pub new: u64,
    /// Told before.
    pub repeated: u64,
    /// Of those taken, joined to an incident.
    pub joined: u64,
    /// What is to be told once it is committed.
    pub news: Vec<quell_engine::Change>,
}

/// Writes events of a source.
pub(crate) fn take(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    events: &[Event],
    places: &Places,
    now: Micros,
) -> Result<Taken, Error> {
    incident::serialise(tx, tenant)?;
    let mut taken = Taken::default();
    for event in events {
        let mut row = row(tenant, event, now);
        if detection::known(tx, tenant, &row.source, &row.source_id)?.is_some() {
            taken.repeated += 1;
            continue;
        }
        row.endpoint_id = places.of(event);
        let found = join::find(tx, tenant, &links(event, &row), None)?;
        if let Some((_, why)) = &found {
            row.joined = Some(why.clone());
        }
        row.incident_id = found.as_ref().map(|(incident, _)| incident.id);
        if !detection::insert(tx, &row)? {
            taken.repeated += 1;
            continue;
        }
        taken.new += 1;
        taken.news.push(detected(tenant, row.id, row.incident_id, row.severity));
        if let Some((incident, _)) = found {
            taken.joined += 1;
            taken.news.push(news(&grow(tx, incident, &row)?));
        }
    }
    Ok(taken)
}

/// Adds an event to its incident.
fn grow(
    tx: &mut Tx<'_>,
    mut of: incident::Incident,
    row: &detection::Detection,
) -> Result<incident::Incident, Error> {
    product::note(tx, &mut of, row)?;
    incident::grow(tx, &of)?;
    Ok(of)
}

/// By what an event is known to belong to an incident: the contents that it names, and the file on its endpoint.
fn links(event: &Event, row: &detection::Detection) -> Vec<Link> {
    let is_sha256 = |hash: &&str| hash.len() == 64;
    let hashes: BTreeSet<&str> = event.hashes().filter(is_sha256).take(16).collect();
    let link = |hash: &str| Link {
        kind: LinkKind::Hash,
        value: hash.to_owned(),
        shown: format!("SHA-256 {}…", hash.get(..12).unwrap_or_default()),
        at_us: row.at,
    };
    let file = product::of_row(row, "that endpoint").into_iter().filter(|link| link.kind == LinkKind::File);
    hashes.into_iter().map(link).chain(file).collect()
}

fn row(tenant: Uuid, event: &Event, now: Micros) -> detection::Detection {
    let path = event.file.path.as_ref().or(event.process.image.as_ref());
    let sha256 = event.file.sha256.as_ref().or(event.process.sha256.as_ref());
    let techniques: Vec<&String> =
        event.techniques.iter().filter(|name| is_technique(name)).take(limits::TECHNIQUES).collect();
    let text = |text: &Option<String>, most| text.as_deref().map(|text| shown(text.as_bytes(), most));
    let mut row = detection::Detection {
        tenant_id: tenant,
        id: Uuid::now_v7(),
        incident_id: None,
        origin: detection::OF_PRODUCT.to_owned(),
        source: event.source.clone(),
        source_id: shown(event.source_id.as_bytes(), SOURCE_ID),
        endpoint_id: None,
        hint: hint(event),
        chain_id: None,
        activity: None,
        at: plausible(event.at_us, now),
        told_at: event.at_us,
        received_at: now,
        rule: text(&event.rule.id, limits::NAME)
            .or_else(|| text(&event.rule.name, limits::NAME))
            .unwrap_or_default(),
        title: shown(event.title.as_bytes(), limits::NAME),
        severity: match event.severity {
            Severity::Informational => 1,
            Severity::Low => 2,
            Severity::Medium => 3,
            Severity::High => 4,
            Severity::Critical => 5,
        },
        verdict: event.verdict.map(|verdict| match verdict {
            Verdict::Detected => "detected".to_owned(),
            Verdict::Prevented => "prevented".to_owned(),
            Verdict::NotPrevented => "not_prevented".to_owned(),
        }),
        techniques: serde_json::to_string(&techniques).unwrap_or_default(),
        note: text(&event.description, limits::MESSAGE).unwrap_or_default(),
        path: path.map(|path| path.clone().into_bytes()),
        sha256: sha256.and_then(|hash| bytes(hash)),
        user_name: text(&event.user.name, limits::NAME),
        protection: 0,
        joined: None,
        body: serde_json::to_string(event).ok(),
        search: String::new(),
    };
    row.search = search(event, &row);
    row
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

/// What a source says of where it happened.
fn hint(event: &Event) -> Option<String> {
    let hints = &event.endpoint;
    let names = [&hints.host, &hints.agent_name].into_iter().flatten().cloned();
    let all: Vec<String> = names.chain(hints.addresses.iter().map(ToString::to_string)).take(4).collect();
    (!all.is_empty()).then(|| shown(all.join(", ").as_bytes(), 2 * limits::NAME))
}

fn search(event: &Event, row: &detection::Detection) -> String {
    let mut search = String::new();
    let own = [&row.title, &row.rule, &row.note, &row.techniques].into_iter().map(String::as_str);
    let optional =
        [&row.hint, &row.user_name, &event.process.command_line, &event.process.image, &event.file.path];
    let optional = optional.into_iter().flatten().map(String::as_str);
    let others = event.observables.iter().map(|one| one.value.as_str()).chain(event.hashes());
    remember(&mut search, own.chain(optional).chain(others));
    search
}
