//! The incident as a bundle of STIX 2.1 (OASIS Standard, 10 June 2021).
//!
//! Objects: an identity for this platform and one for each endpoint; the incident; an attack pattern for each technique; for
//! each detection observed data and a sighting of each technique; observed data for each chain, with its processes, files,
//! users, addresses, names and connections; a course of action for each response action; a note for each note. Ids are
//! deterministic, so a later export of the same incident updates what was imported before.

mod observable;

use std::collections::{BTreeMap, BTreeSet};

use quell_wire::activity::Detection;
use serde_json::{Value, json};

use super::{Report, uuid};
use crate::attack;
use crate::chain::View;
use crate::summary::{severity_name, source_name, verdict_name};
use crate::text::{cut, shown};
use observable::Observables;

/// Latest moment that a bundle names: the last of the year 9999, microseconds since 1970.
const LATEST_US: i64 = 253_402_300_799_000_000;
/// Observables of one observed data object.
const REFERENCES: usize = 50_000;

/// The incident as a bundle.
pub fn stix(report: &Report<'_>) -> Value {
    let mut bundle = Bundle { report, objects: BTreeMap::new(), relations: BTreeSet::new() };
    bundle.identities();
    bundle.incident();
    bundle.techniques();
    for chain in 0..report.views.len() {
        bundle.chain(chain);
    }
    bundle.actions();
    bundle.notes();
    bundle.relate();
    json!({
        "type": "bundle",
        "id": format!("bundle--{}", uuid::of_name(&["bundle", report.tenant, &report.incident.id])),
        "objects": bundle.objects.into_values().collect::<Vec<_>>(),
    })
}

/// A moment with milliseconds, as the standard wants it.
pub(crate) fn moment(at_us: i64) -> String {
    let at_us = at_us.clamp(0, LATEST_US);
    let at = jiff::Timestamp::from_microsecond(at_us - at_us % 1000).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3)).timestamp_to_string(&at)
}

struct Bundle<'r, 'a> {
    report: &'r Report<'a>,
    /// By id: an object that is met twice is told once.
    objects: BTreeMap<String, Value>,
    /// Source, what it is to the target, target.
    relations: BTreeSet<(String, &'static str, String)>,
}

impl Bundle<'_, '_> {
    fn id(&self, kind: &str, parts: &[&str]) -> String {
        let parts = [&[kind, self.report.tenant], parts].concat();
        format!("{kind}--{}", uuid::of_name(&parts))
    }

    fn platform_id(&self) -> String {
        self.id("identity", &["platform"])
    }

    fn incident_id(&self) -> String {
        self.id("incident", &[&self.report.incident.id])
    }

    fn endpoint_id(&self, endpoint: &str) -> String {
        self.id("identity", &["endpoint", endpoint])
    }

    fn technique_id(&self, technique: &str) -> String {
        self.id("attack-pattern", &[technique])
    }

    /// Adds an object with what all have in common.
    fn add(&mut self, id: &str, created_us: i64, modified_us: i64, mut object: Value) {
        object["type"] = Value::from(id.split_once("--").map_or("", |(kind, _)| kind));
        object["spec_version"] = Value::from("2.1");
        object["id"] = Value::from(id);
        object["created"] = Value::from(moment(created_us));
        object["modified"] = Value::from(moment(modified_us.max(created_us)));
        let platform = self.platform_id();
        if id != platform {
            object["created_by_ref"] = Value::from(platform);
        }
        self.objects.insert(id.to_owned(), object);
    }

    fn identities(&mut self) {
        let begin = self.report.incident.first_at_us;
        let platform = self.platform_id();
        let name = format!("Quell of {}", shown(self.report.tenant.as_bytes(), 200));
        self.add(&platform, 0, 0, json!({ "name": name, "identity_class": "system" }));
        for endpoint in self.report.endpoints() {
            let (id, name) = (self.endpoint_id(endpoint), self.report.setting.name_of(endpoint));
            self.add(
                &id,
                begin,
                begin,
                json!({ "name": name, "identity_class": "system", "roles": ["endpoint"] }),
            );
        }
    }

    fn incident(&mut self) {
        let report = self.report;
        let incident = report.incident;
        let description = format!(
            "Severity {}, status {}. First detected {}, last detected {}.",
            incident.severity,
            incident.status,
            moment(incident.first_at_us),
            moment(incident.last_at_us)
        );
        let labels: Vec<_> =
            [Some(format!("severity:{}", incident.severity)), Some(format!("status:{}", incident.status))]
                .into_iter()
                .chain([incident.resolution.as_ref().map(|resolution| format!("resolution:{resolution}"))])
                .flatten()
                .collect();
        let id = self.incident_id();
        let object = json!({
            "name": shown(incident.title.as_bytes(), 300),
            "description": description,
            "labels": labels,
            "external_references": [{ "source_name": "quell", "external_id": incident.number.to_string() }],
        });
        self.add(&id, incident.first_at_us, report.made_at_us, object);
        for endpoint in report.endpoints() {
            self.relations.insert((id.clone(), "related-to", self.endpoint_id(endpoint)));
        }
    }

    fn techniques(&mut self) {
        let begin = self.report.incident.first_at_us;
        for technique in self.report.techniques() {
            let id = self.technique_id(technique);
            let known = attack::technique(technique);
            let phases = known.map(|known| &known.tactics).into_iter().flatten();
            let phases: Vec<_> = phases
                .map(|tactic| json!({ "kill_chain_name": "mitre-attack", "phase_name": tactic }))
                .collect();
            let mut object = json!({
                "name": known.map_or(technique, |known| &known.name),
                "external_references": [{
                    "source_name": "mitre-attack",
                    "external_id": technique,
                    "url": attack::address(technique),
                }],
            });
            if !phases.is_empty() {
                object["kill_chain_phases"] = Value::from(phases);
            }
            self.add(&id, begin, begin, object);
            self.relations.insert((self.incident_id(), "related-to", id));
        }
    }

    /// A chain's observables, and what was detected among them.
    fn chain(&mut self, index: usize) {
        let view = &self.report.views[index];
        let mut observables = Observables::of(view);
        for (entry, hit) in view.detections() {
            let at_us = entry.map_or(hit.at_us, |entry| entry.activity.at_us);
            let references = observables.of_detection(entry, hit);
            let observed = self.id("observed-data", &[&view.chain.id, "detection", &hit.id]);
            self.observe(&observed, (at_us, at_us), references);
            self.sight(view, hit, at_us, &observed);
            self.relations.insert((self.incident_id(), "related-to", observed));
        }
        let first = view.entries.first().map_or(0, |entry| entry.activity.at_us);
        let last = view.entries.last().map_or(first, |entry| entry.activity.at_us);
        let observed = self.id("observed-data", &[&view.chain.id, "chain"]);
        let all = observables.objects.keys().cloned().collect();
        self.objects.extend(observables.objects);
        self.observe(&observed, (first, last), all);
        if self.objects.contains_key(&observed) {
            self.relations.insert((self.incident_id(), "related-to", observed));
        }
    }

    /// A sighting of each technique. None is an end of a relationship: the standard allows it to things alone.
    fn sight(&mut self, view: &View<'_>, hit: &Detection, at_us: i64, observed: &str) {
        let title = if hit.title.is_empty() { &hit.rule } else { &hit.title };
        let description = format!(
            "{} ({}, severity {}, {})",
            shown(title.as_bytes(), 256),
            source_name(hit.source()),
            severity_name(hit.severity()),
            verdict_name(hit.verdict())
        );
        for technique in hit.techniques.iter().take(quell_wire::limits::TECHNIQUES) {
            let id = self.id("sighting", &[&view.chain.id, &hit.id, technique]);
            let mut object = json!({
                "description": description,
                "first_seen": moment(at_us),
                "last_seen": moment(at_us),
                "count": 1,
                "sighting_of_ref": self.technique_id(technique),
                "where_sighted_refs": [self.endpoint_id(&view.chain.endpoint)],
            });
            if self.objects.contains_key(observed) {
                object["observed_data_refs"] = json!([observed]);
            }
            self.add(&id, at_us, at_us, object);
        }
    }

    fn observe(&mut self, id: &str, (first, last): (i64, i64), mut references: Vec<String>) {
        references.truncate(REFERENCES);
        if references.is_empty() {
            return;
        }
        let object = json!({
            "first_observed": moment(first),
            "last_observed": moment(last.max(first)),
            "number_observed": 1,
            "object_refs": references,
        });
        self.add(id, first, last, object);
    }

    fn actions(&mut self) {
        for action in self.report.actions {
            let kind = quell_catalog::ActionKind::from_id(&action.action);
            let title = kind.map_or(action.action.as_str(), |kind| kind.spec().title);
            let place = action.endpoint.as_deref().unwrap_or("all endpoints");
            let id = self.id("course-of-action", &[&action.task]);
            let name = cut(
                &format!(
                    "{title}: {} on {}",
                    shown(action.object.as_bytes(), 200),
                    shown(place.as_bytes(), 100)
                ),
                400,
            );
            let description = format!(
                "Asked for by {} at {}; {}{}.",
                shown(action.requested_by.as_bytes(), 200),
                moment(action.requested_at_us),
                shown(action.state.as_bytes(), 64),
                action.ended_at_us.map_or_else(String::new, |at_us| format!(" at {}", moment(at_us)))
            );
            let reference = json!([{ "source_name": "quell", "external_id": action.task }]);
            let object =
                json!({ "name": name, "description": description, "external_references": reference });
            self.add(
                &id,
                action.requested_at_us,
                action.ended_at_us.unwrap_or(action.requested_at_us),
                object,
            );
            self.relations.insert((id, "related-to", self.incident_id()));
        }
    }

    fn notes(&mut self) {
        for note in self.report.notes {
            let id = self.id("note", &[&note.id]);
            let content: Vec<_> = note.text.lines().map(|line| shown(line.as_bytes(), usize::MAX)).collect();
            let content = content.join("\n");
            let content = if content.trim().is_empty() { "(empty)".to_owned() } else { content };
            let object = json!({
                "content": content,
                "authors": [shown(note.author.as_bytes(), 200)],
                "object_refs": [self.incident_id()],
            });
            self.add(&id, note.at_us, note.at_us, object);
        }
    }

    fn relate(&mut self) {
        let at_us = self.report.incident.first_at_us;
        for (source, kind, target) in std::mem::take(&mut self.relations) {
            if !self.objects.contains_key(&source) || !self.objects.contains_key(&target) {
                continue;
            }
            let id = self.id("relationship", &[&source, kind, &target]);
            let object = json!({ "relationship_type": kind, "source_ref": source, "target_ref": target });
            self.add(&id, at_us, at_us, object);
        }
    }
}
