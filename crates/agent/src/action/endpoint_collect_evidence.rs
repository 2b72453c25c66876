//! `endpoint.collect_evidence` on this endpoint: what definitions name, read once into an encrypted spool with its
//! manifest, then the spool to the gateway. The outcome holds the hashes of both; the agent's signature over it is the seal.

mod collector;
mod knowledge;
mod rows;

use std::path::Path;
use std::sync::atomic::AtomicU64;

use quell_catalog::endpoint::collect_evidence::{
    CollectEvidence, LeftOut, Missed, Outcome, Params, SHOWN_NAMES,
};
use quell_catalog::library::Kind;
use quell_evidence::{Budgets, Host, Set};
use quell_host::file::{self, Password};
use quell_wire::digest::{hex, sha256};
use serde::{Deserialize, Serialize};

pub(super) use self::collector::Asked;
use self::collector::{Collected, Collector, Stop};
use super::archive::{disk_full, password, send, untransferred, watch};
use super::{Endpoint, library, thread};
use crate::clock::Clock;
use crate::facts;
use crate::runner::{Cancel, Ending, Job, chain};
use crate::transfer::{Sealed, Spool, is_full};

/// What is known of a collection that was completed.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct About {
    source: String,
    definitions_sha256: String,
    manifest_sha256: String,
    looked_at: u32,
    missed: Vec<Missed>,
    files: u64,
    bytes: u64,
    commands: u32,
    left_out: Vec<LeftOut>,
    ended_by: Option<String>,
    duration_ms: u64,
}

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let directory =
        endpoint.work_directory(job).map_err(|error| Ending::refused("spool_failed", chain(&error)))?;
    let spool = Spool::within(&directory);
    let sealed = match spool.sealed::<About>().map_err(|error| untransferred(&error))? {
        Some(sealed) => sealed,
        None => collect(endpoint, job, params, &spool).await?,
    };
    let archive = send(endpoint, job, &spool, &sealed).await.map_err(|error| untransferred(&error))?;
    let about = sealed.about;
    Ok(Ending::done(&Outcome {
        source: about.source,
        definitions_sha256: about.definitions_sha256,
        manifest_sha256: about.manifest_sha256,
        looked_at: about.looked_at,
        missed: about.missed,
        files: about.files,
        bytes: about.bytes,
        commands: about.commands,
        left_out: about.left_out,
        ended_by: about.ended_by,
        duration_ms: about.duration_ms,
        archive,
    }))
}

/// The definitions that the order means.
enum Definitions {
    Ours,
    Library(Box<Set>),
}

impl Definitions {
    fn set(&self) -> &Set {
        match self {
            Self::Ours => quell_evidence::linux(),
            Self::Library(set) => set,
        }
    }
}

async fn definitions(
    endpoint: &Endpoint,
    job: &Job,
    params: &Params,
) -> Result<(Definitions, String), Ending> {
    let Some(named) = &params.definitions else {
        return Ok((Definitions::Ours, hex(&sha256(&[quell_evidence::LINUX.as_bytes()]))));
    };
    let body = library::fetched(endpoint, job, Kind::Evidence, CollectEvidence::digest(named)).await?;
    let set = quell_evidence::parse(body.text()?)
        .map_err(|error| body.unusable(format!("{error} {}", error.hint)))?;
    Ok((Definitions::Library(Box::new(set)), hex(&body.sha256)))
}

async fn collect(
    endpoint: &Endpoint,
    job: &Job,
    params: Params,
    spool: &Spool,
) -> Result<Sealed<About>, Ending> {
    let (definitions, digest) = definitions(endpoint, job, &params).await?;
    known(definitions.set(), &params.artifacts)?;
    let password = password(job).await?;
    let asked = Asked {
        budgets: Budgets {
            bytes: params.max_bytes,
            file_bytes: params.max_file_bytes,
            files: params.max_files.into(),
            seconds: params.time_limit_seconds.into(),
            command_seconds: params.command_seconds.into(),
        },
        names: params.artifacts,
        commands: params.include_commands,
        host: host(endpoint),
        order_id: job.order_id.clone(),
        definitions_sha256: digest,
    };
    let (cancel, place, clock) = (job.cancel.clone(), spool.clone(), endpoint.clock.clone());
    let total = asked.budgets.bytes;
    let work = move |count: &AtomicU64| -> Result<Sealed<About>, Ending> {
        let collected =
            gather(definitions.set(), asked, (&place.path(), password), (&cancel, &clock), count)?;
        let ours = matches!(definitions, Definitions::Ours);
        let sealed = sealed(collected, if ours { "agent" } else { "library" });
        place.seal(&sealed).map_err(|error| untransferred(&error))?;
        Ok(sealed)
    };
    thread::run(work, |read| job.progress(read, total, "collecting")).await?
}

/// That a set has every definition that is asked for.
pub(super) fn known(set: &Set, names: &[String]) -> Result<(), Ending> {
    let Some(unknown) = names.iter().find(|name| set.get(name).is_none()) else { return Ok(()) };
    let near = set.nearest(unknown).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    Err(Ending::refused("unknown_definition", format!("there is no definition {unknown:?}{near}")))
}

/// Collects into a new archive at this path. For a thread that may block.
pub(super) fn gather(
    set: &Set,
    asked: Asked,
    (path, password): (&Path, Password),
    (cancel, clock): (&Cancel, &Clock),
    count: &AtomicU64,
) -> Result<Collected, Ending> {
    quell_host::evidence::step_behind();
    let watched = watch(cancel, path, count);
    let collector = Collector::new(path, password, asked, clock, Box::new(watched))
        .map_err(|error| Ending::failed("archive_failed", chain(&error)))?;
    collector.run(set).map_err(|stop| match stop {
        Stop::Asked { .. } if cancel.is_asked() => {
            Ending::canceled("canceled; what had been collected until then was not sent and is removed")
        }
        Stop::Asked { at } => disk_full(at),
        Stop::Archive(file::Error::Archive(source)) if is_full(&source) => disk_full(0),
        Stop::Archive(error) => Ending::failed("archive_failed", chain(&error)),
    })
}

fn sealed(collected: Collected, source: &str) -> Sealed<About> {
    let Collected {
        archive,
        manifest_sha256,
        definitions_sha256,
        looked_at,
        totals,
        missed,
        left_out,
        ended_by,
        took,
    } = collected;
    let missed = missed.into_iter().take(SHOWN_NAMES);
    let about = About {
        source: source.to_owned(),
        definitions_sha256,
        manifest_sha256: hex(&manifest_sha256),
        looked_at,
        missed: missed.map(|row| Missed { definition: row.definition, reason: row.reason }).collect(),
        files: totals.files,
        bytes: totals.bytes,
        commands: u32::try_from(totals.commands).unwrap_or(u32::MAX),
        left_out: left_out
            .into_iter()
            .map(|(reason, count)| LeftOut { reason: reason.to_owned(), count })
            .collect(),
        ended_by: ended_by.map(str::to_owned),
        duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    };
    Sealed { size: archive.size, sha256: archive.sha256, about }
}

/// What the manifest says of this endpoint.
pub(super) fn host(endpoint: &Endpoint) -> Host {
    let facts = facts::gather(None, None, None);
    let machine_id = knowledge::small("/etc/machine-id");
    let zone = std::fs::read_link("/etc/localtime").unwrap_or_default();
    let zone = zone.to_string_lossy();
    Host {
        name: facts.hostname,
        kernel: facts.kernel,
        system: format!("{} {}", facts.os_name, facts.os_version).trim().to_owned(),
        machine_id,
        boot_id: facts.boot_id,
        agent: facts.agent_version,
        endpoint_id: endpoint.identity.me().endpoint_id.clone(),
        time_zone: zone.split_once("zoneinfo/").map_or("", |(_, zone)| zone).to_owned(),
    }
}
