//! Chains and endpoints as `quell_incident` judges them, gathered from rows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use prost::Message as _;
use quell_incident::{Chain, Endpoint as Standing, Setting};
use quell_store::chain::rows;
use quell_store::detection::{self, Detection as DetectionRow};
use quell_store::endpoint::{self, Endpoint};
use quell_store::{Error, Tx, chain};
use quell_wire::activity::{Activity, Detection, Gaps, Process, ProcessKey};
use quell_wire::limits;
use serde::Deserialize;
use uuid::Uuid;

use super::word;

/// Which activity events are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// All.
    Whole,
    /// Those that something was detected on.
    Keys,
}

/// A chain with its processes, detections, and activity events.
pub(crate) fn chain(tx: &mut Tx<'_>, row: &chain::Chain, depth: Depth) -> Result<Chain, Error> {
    let (tenant, id) = (row.tenant_id, row.id);
    let detections = detection::of_chain(tx, tenant, id, limits::CHAIN_DETECTIONS as i64)?;
    let activities = match depth {
        Depth::Whole => rows::activities(tx, tenant, id, limits::CHAIN_ACTIVITIES as i64)?,
        Depth::Keys => {
            let keys: BTreeSet<i64> = detections.iter().filter_map(|row| row.activity).collect();
            let mut found = Vec::with_capacity(keys.len());
            for key in keys {
                found.extend(rows::activity(tx, tenant, id, key)?);
            }
            found
        }
    };
    let activities = activities.iter().filter_map(|row| activity(&row.body)).collect();
    Ok(Chain { activities, detections: detections.iter().map(told).collect(), ..bare(tx, row)? })
}

/// A chain with its processes, these activity events, and what was detected on them if anything was.
pub(super) fn part(
    tx: &mut Tx<'_>,
    row: &chain::Chain,
    activities: &[Activity],
    has_keys: bool,
) -> Result<Chain, Error> {
    let mut part = Chain { activities: activities.to_vec(), ..bare(tx, row)? };
    if has_keys {
        let all = detection::of_chain(tx, row.tenant_id, row.id, limits::CHAIN_DETECTIONS as i64)?;
        let ids: BTreeSet<u64> = activities.iter().map(|activity| activity.id).collect();
        part.detections = all.iter().map(told).filter(|hit| ids.contains(&hit.activity)).collect();
    }
    Ok(part)
}

/// A chain with its processes alone.
fn bare(tx: &mut Tx<'_>, row: &chain::Chain) -> Result<Chain, Error> {
    let processes = rows::processes(tx, row.tenant_id, row.id, limits::CHAIN_PROCESSES as i64)?;
    Ok(Chain {
        id: row.id.to_string(),
        endpoint: row.endpoint_id.to_string(),
        boot_id: row.boot_id.clone(),
        root: key(row.root_pid, row.root_start),
        processes: processes.iter().filter_map(|row| process(&row.body)).collect(),
        activities: Vec::new(),
        detections: Vec::new(),
        gaps: Gaps {
            lost: row.lost.unsigned_abs(),
            processes_beyond: row.processes_beyond.unsigned_abs(),
            activities_beyond: row.activities_beyond.unsigned_abs(),
            begins_late: row.begins_late,
            vanished_files: row.vanished_files.unsigned_abs(),
        },
        closed: row.is_closed,
    })
}

/// A key as the database has it.
pub(crate) fn key(pid: i64, start: i64) -> ProcessKey {
    ProcessKey { pid: u32::try_from(pid).unwrap_or(0), start: start.unsigned_abs() }
}

/// A stored process; nothing where what is stored cannot be read.
pub(crate) fn process(body: &[u8]) -> Option<Process> {
    Process::decode(body).ok()
}

/// A stored activity event.
pub(crate) fn activity(body: &[u8]) -> Option<Activity> {
    Activity::decode(body).ok()
}

/// A detection as an endpoint told it, under the id that it has here.
fn told(row: &DetectionRow) -> Detection {
    Detection {
        id: row.id.to_string(),
        at_us: row.at,
        activity: row.activity.unwrap_or(0).unsigned_abs(),
        source: word::source_of(&row.source).into(),
        rule: row.rule.clone(),
        title: row.title.clone(),
        severity: word::told(row.severity).into(),
        techniques: serde_json::from_str(&row.techniques).unwrap_or_default(),
        verdict: word::verdict_of(row.verdict.as_deref()).into(),
        note: row.note.clone(),
        path: row.path.clone().unwrap_or_default(),
        sha256: row.sha256.clone().unwrap_or_default(),
        protection: row.protection.unsigned_abs(),
    }
}

/// What of an endpoint's facts counts here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    boot_id: Option<String>,
    addresses: Vec<IpAddr>,
}

#[derive(Deserialize)]
struct Capability {
    action: String,
}

/// An endpoint as it stands now.
pub(crate) fn standing(row: &Endpoint, is_connected: bool) -> Standing {
    let said: Said = serde_json::from_str(&row.facts).unwrap_or_default();
    let capabilities: Vec<Capability> = serde_json::from_str(&row.capabilities).unwrap_or_default();
    Standing {
        id: row.id.to_string(),
        name: row.name.clone(),
        boot_id: said.boot_id.filter(|id| !id.is_empty()),
        actions: capabilities.into_iter().map(|capability| capability.action).collect(),
        is_connected,
        is_isolated: row.isolation.is_some(),
        addresses: said.addresses,
    }
}

/// What is known beside chains: these endpoints, and what must stay reachable.
pub(crate) fn setting(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    endpoints: impl IntoIterator<Item = Uuid>,
    is_connected: impl Fn(Uuid) -> bool,
    kept: &[String],
) -> Result<Setting, Error> {
    let mut known = BTreeMap::new();
    for id in endpoints {
        if let Some(row) = endpoint::get(tx, tenant, id)? {
            known.insert(id.to_string(), standing(&row, is_connected(id)));
        }
    }
    let mut setting = Setting { endpoints: known, ..Setting::default() };
    for place in kept {
        // `address:port` or `name:port`, brackets around an address of version 6.
        let host = place.rsplit_once(':').map_or(place.as_str(), |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match host.parse() {
            Ok(address) => setting.kept_addresses.push(address),
            Err(_) => setting.kept_names.push(host.to_owned()),
        }
    }
    Ok(setting)
}
