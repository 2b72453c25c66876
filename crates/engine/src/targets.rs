//! From what the requester said to endpoints, checked one by one. What comes out is pinned: it never grows.

use std::collections::HashSet;

use quell_catalog::{Runner, Spec, System};
use quell_store::{
    Tx,
    endpoint::{self, Endpoint},
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{Error, Problem, Targets};

/// The endpoints that are meant, each once, in the order in which they were named.
pub(crate) fn resolve(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    targets: &Targets,
    most: usize,
) -> Result<Vec<Uuid>, Error> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX - 1) + 1;
    let ids = match targets {
        Targets::Endpoints(ids) => {
            let mut seen = HashSet::new();
            ids.iter().copied().filter(|id| seen.insert(*id)).collect()
        }
        Targets::Tag(tag) => endpoint::tagged_ids(tx, tenant, tag, limit)?,
        Targets::All => endpoint::active_ids(tx, tenant, limit)?,
    };
    match ids.len() {
        0 => Err(Error::NoTargets),
        count if count > most => Err(Error::request("targets", format!("more than {most} endpoints"))),
        _ => Ok(ids),
    }
}

/// Names every endpoint that cannot carry the action out.
pub(crate) fn check(tx: &mut Tx<'_>, tenant: Uuid, spec: &Spec, ids: &[Uuid]) -> Result<(), Error> {
    let mut problems = Vec::new();
    for id in ids {
        let found = match endpoint::get(tx, tenant, *id)? {
            None => Some(("unknown", "there is no such endpoint".to_owned())),
            Some(endpoint) if endpoint.state != "active" => {
                Some(("revoked", format!("{} was revoked", endpoint.name)))
            }
            Some(endpoint) => problem(tx, spec, &endpoint)?,
        };
        problems.extend(found.map(|(code, message)| Problem { endpoint: *id, code, message }));
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Targets(problems)) }
}

/// A stable code, and the same for people.
pub(crate) type Found = (&'static str, String);

/// Why an active endpoint cannot carry the action out now.
pub(crate) fn problem(tx: &mut Tx<'_>, spec: &Spec, endpoint: &Endpoint) -> Result<Option<Found>, Error> {
    match unsupported(spec, endpoint).or_else(|| incapable(spec, endpoint)) {
        Some(found) => Ok(Some(found)),
        None => conflict(tx, spec, endpoint),
    }
}

fn unsupported(spec: &Spec, endpoint: &Endpoint) -> Option<Found> {
    let Runner::Agent { systems } = spec.runner;
    let runs = systems.iter().any(|system| endpoint.os == name(*system));
    (!runs).then(|| {
        (
            "unsupported_system",
            format!("{} runs {}, where {} is not implemented", endpoint.name, endpoint.os, spec.id),
        )
    })
}

const fn name(system: System) -> &'static str {
    match system {
        System::Linux => "linux",
        System::Windows => "windows",
        System::Macos => "macos",
    }
}

/// An entry of [`Endpoint::capabilities`], which is a JSON list of these.
#[derive(Deserialize)]
struct Capability {
    action: String,
    revision: u32,
}

fn incapable(spec: &Spec, endpoint: &Endpoint) -> Option<Found> {
    let announced: Vec<Capability> = serde_json::from_str(&endpoint.capabilities).unwrap_or_default();
    if announced.iter().any(|able| able.action == spec.id && able.revision == spec.revision) {
        return None;
    }
    let message = match announced.iter().find(|able| able.action == spec.id) {
        Some(able) => format!(
            "the agent of {} speaks revision {} of {}, not {}: bring server and agent to the same version",
            endpoint.name, able.revision, spec.id, spec.revision
        ),
        None => format!("the agent of {} has not announced {}", endpoint.name, spec.id),
    };
    Some(("incapable", message))
}

/// Two equal acts of one exclusion group on one endpoint would be one act twice: isolate while isolating.
pub(crate) fn conflict(tx: &mut Tx<'_>, spec: &Spec, endpoint: &Endpoint) -> Result<Option<Found>, Error> {
    if spec.exclusion.is_none() {
        return Ok(None);
    }
    tx.serialise(endpoint.tenant_id, endpoint.id)?;
    let twin = quell_store::command::twin(tx, endpoint.tenant_id, endpoint.id, spec.id)?;
    Ok(twin.map(|twin| {
        ("conflict", format!("{} is under way on {} already, task {}", spec.id, endpoint.name, twin))
    }))
}
