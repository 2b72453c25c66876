//! From what the requester said to endpoints, checked one by one. What comes out is pinned: it never grows.

use std::collections::{HashMap, HashSet};

use quell_catalog::{Spec, System};
use quell_store::{
    Tx, command,
    endpoint::{self, Endpoint},
    task::Task,
};
use serde::Deserialize;
use uuid::Uuid;

use crate::{Error, Problem, Targets, service};

/// The endpoints that are meant, each once, in the order in which they were named.
pub(crate) fn resolve(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    targets: &Targets,
    (spec, most): (&Spec, usize),
) -> Result<Vec<Uuid>, Error> {
    if let Some(name) = spec.service() {
        let id = service::id(name);
        return match targets {
            Targets::Service => Ok(vec![id]),
            // What takes a task back names its targets one by one.
            Targets::Endpoints(ids) if *ids == [id] => Ok(vec![id]),
            Targets::Endpoints(_) | Targets::Tag(_) | Targets::Tags(_) | Targets::All => Err(Error::request(
                "targets",
                format!("{} is for the service {name:?} as a whole: name no endpoints", spec.id),
            )),
        };
    }
    let limit = i64::try_from(most).unwrap_or(i64::MAX - 1) + 1;
    let ids = match targets {
        Targets::Endpoints(ids) => {
            let mut seen = HashSet::new();
            ids.iter().copied().filter(|id| seen.insert(*id)).collect()
        }
        Targets::Tag(tag) => endpoint::tagged_ids(tx, tenant, tag, limit)?,
        Targets::Tags(tags) => {
            let mut ids = Vec::new();
            for tag in tags {
                ids.extend(endpoint::tagged_ids(tx, tenant, tag, limit)?);
            }
            ids.sort_unstable();
            ids.dedup();
            ids
        }
        Targets::All => endpoint::active_ids(tx, tenant, limit)?,
        Targets::Service => return Err(Error::NoTargets),
    };
    match ids.len() {
        0 => Err(Error::NoTargets),
        count if count > most => Err(Error::request("targets", format!("more than {most} endpoints"))),
        _ => Ok(ids),
    }
}

/// What endpoints are looked at for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Look<'a> {
    /// They were looked at already.
    Known,
    /// To say whether they could carry the action out now.
    Able(&'a Spec),
    /// The same, and nobody else may begin the like on them before this transaction ends.
    Held(&'a Spec),
}

impl<'a> Look<'a> {
    const fn spec(self) -> Option<&'a Spec> {
        match self {
            Self::Known => None,
            Self::Able(spec) | Self::Held(spec) => Some(spec),
        }
    }
}

/// What there is of targets.
pub(crate) struct Rows {
    /// Their rows, in their order.
    pub(crate) found: Vec<Endpoint>,
    /// Those that there are not, or not in this tenant.
    pub(crate) unknown: Vec<Uuid>,
}

/// The rows of the endpoints.
pub(crate) fn rows(tx: &mut Tx<'_>, tenant: Uuid, ids: &[Uuid]) -> Result<Rows, Error> {
    let mut known = service::or_endpoints(tx, tenant, ids)?;
    let mut rows = Rows { found: Vec::with_capacity(ids.len()), unknown: Vec::new() };
    for id in ids {
        match known.remove(id) {
            Some(row) => rows.found.push(row),
            None => rows.unknown.push(*id),
        }
    }
    Ok(rows)
}

/// Every target that cannot carry the action out, with the reason, in the order of `ids`.
pub(crate) fn problems(
    tx: &mut Tx<'_>,
    (ids, unknown): (&[Uuid], Vec<Uuid>),
    endpoints: &[Endpoint],
    look: Look<'_>,
) -> Result<Vec<Problem>, Error> {
    let message = "there is no such endpoint";
    let missing = |endpoint| Problem { endpoint, code: "unknown", message: message.to_owned() };
    let is_mixed = !unknown.is_empty();
    let mut problems: Vec<Problem> = unknown.into_iter().map(missing).collect();
    if let Some(spec) = look.spec() {
        let unfit: Vec<Option<Found>> = endpoints.iter().map(|row| unfit(spec, row)).collect();
        let fit = endpoints.iter().zip(&unfit).filter(|(_, found)| found.is_none()).map(|(row, _)| row);
        let twins = twins(tx, look, &fit.collect::<Vec<_>>())?;
        for (row, found) in endpoints.iter().zip(unfit) {
            let twin = || Some(under_way(spec, row, *twins.get(&row.id)?));
            let found = found.or_else(twin);
            problems.extend(found.map(|(code, message)| Problem { endpoint: row.id, code, message }));
        }
    }
    if is_mixed {
        let places: HashMap<Uuid, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        problems.sort_by_key(|problem| places.get(&problem.endpoint).copied());
    }
    Ok(problems)
}

/// The endpoints of a task.
pub(crate) fn of_task(tx: &mut Tx<'_>, task: &Task) -> Result<Vec<Endpoint>, Error> {
    const PAGE: i64 = 500;
    let (mut rows, mut after) = (Vec::new(), -1);
    loop {
        let page = command::of_task(tx, task.tenant_id, task.id, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(rows) };
        after = last.leaf_index;
        for command in &page {
            rows.extend(service::or_endpoint(tx, task.tenant_id, command.endpoint_id)?);
        }
    }
}

/// A stable code, and the same for people.
pub(crate) type Found = (&'static str, String);

/// Why an active endpoint cannot carry the action out now.
pub(crate) fn problem(tx: &mut Tx<'_>, spec: &Spec, endpoint: &Endpoint) -> Result<Option<Found>, Error> {
    match inability(spec, endpoint) {
        Some(found) => Ok(Some(found)),
        None => conflict(tx, spec, endpoint),
    }
}

/// Why its agent cannot carry the action out at all.
pub(crate) fn inability(spec: &Spec, endpoint: &Endpoint) -> Option<Found> {
    if spec.service().is_some() {
        return None;
    }
    unsupported(spec, endpoint).or_else(|| incapable(spec, endpoint))
}

fn unsupported(spec: &Spec, endpoint: &Endpoint) -> Option<Found> {
    let runs = spec.systems().iter().any(|system| endpoint.os == name(*system));
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

/// Why an endpoint cannot carry the action out, whatever else is asked of it.
fn unfit(spec: &Spec, endpoint: &Endpoint) -> Option<Found> {
    let revoked = || Some(("revoked", format!("{} was revoked", endpoint.name)));
    if endpoint.state == "active" { inability(spec, endpoint) } else { revoked() }
}

/// Two equal acts of one exclusion group on one endpoint would be one act twice: isolate while isolating.
pub(crate) fn conflict(tx: &mut Tx<'_>, spec: &Spec, endpoint: &Endpoint) -> Result<Option<Found>, Error> {
    if spec.exclusion.is_none() {
        return Ok(None);
    }
    tx.serialise(endpoint.tenant_id, endpoint.id)?;
    let twin = command::twin(tx, endpoint.tenant_id, endpoint.id, spec.id)?;
    Ok(twin.map(|task| under_way(spec, endpoint, task)))
}

/// The tasks that do the same, by endpoint.
fn twins(tx: &mut Tx<'_>, look: Look<'_>, endpoints: &[&Endpoint]) -> Result<HashMap<Uuid, Uuid>, Error> {
    let (Some(spec), Some(first)) = (look.spec(), endpoints.first()) else { return Ok(HashMap::new()) };
    if spec.exclusion.is_none() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = endpoints.iter().map(|row| row.id).collect();
    if let Look::Held(_) = look {
        for id in &ids {
            tx.serialise(first.tenant_id, *id)?;
        }
    }
    Ok(command::twins(tx, first.tenant_id, &ids, spec.id)?)
}

fn under_way(spec: &Spec, endpoint: &Endpoint, task: Uuid) -> Found {
    ("conflict", format!("{} is under way on {} already, task {task}", spec.id, endpoint.name))
}
