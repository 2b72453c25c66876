//! `process.dump_memory` on this endpoint: the memory of one process into an encrypted spool, then the spool to the
//! gateway.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quell_catalog::evidence::Probe;
use quell_catalog::process::dump_memory::{Outcome, Params};
use quell_host::core::{Archived, Options};
use quell_host::file::Password;
use quell_host::process::{Identity, State, get};
use quell_host::system::boot_id;
use quell_wire::digest::hex;
use serde::{Deserialize, Serialize};

use super::archive::{disk_full, password, send, watch};
use super::{Endpoint, leftovers, thread};
use crate::runner::{Cancel, Ending, Job, chain};
use crate::transfer::{Error as TransferError, Sealed, Spool};
use crate::worker::Kind;
use crate::worker::memory::{self, Error, Trouble};

/// What is known of a dump that was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct About {
    path: String,
    size: u64,
    sha256: String,
    entry: String,
    threads: u64,
    threads_with_registers: u64,
    no_registers: Option<String>,
    stopped_us: u64,
    one_instant: bool,
    mappings: u64,
    address_space: u64,
    left_out: u64,
    unreadable: u64,
}

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let identity = Identity { pid: params.pid, start_time: params.start_time };
    let directory =
        endpoint.work_directory(job).map_err(|error| Ending::refused("spool_failed", chain(&error)))?;
    let spool = Spool::within(&directory);
    let sealed = match spool.sealed::<About>().map_err(|error| unsent(&error))? {
        Some(sealed) => sealed,
        None => dump(endpoint, job, &params, identity, &spool).await?,
    };
    let probe = runs_on(identity);
    let archive = send(endpoint, job, &spool, &sealed).await.map_err(|error| unsent(&error))?;
    let about = sealed.about;
    Ok(Ending::done(&Outcome {
        pid: identity.pid,
        start_time: identity.start_time,
        path: about.path,
        size: about.size,
        sha256: about.sha256,
        entry: about.entry,
        threads: about.threads,
        threads_with_registers: about.threads_with_registers,
        no_registers: about.no_registers,
        stopped_us: about.stopped_us,
        one_instant: about.one_instant,
        mappings: about.mappings,
        address_space: about.address_space,
        left_out: about.left_out,
        unreadable: about.unreadable,
        archive,
        probes: vec![probe],
    }))
}

fn unsent(error: &TransferError) -> Ending {
    match error {
        TransferError::Canceled => {
            Ending::canceled("canceled while the archive was uploaded; none was kept here")
        }
        error => Ending::failed(error.code(), chain(error)),
    }
}

async fn dump(
    endpoint: &Endpoint,
    job: &Job,
    params: &Params,
    identity: Identity,
    spool: &Spool,
) -> Result<Sealed<About>, Ending> {
    let password = password(job).await?;
    if let Some(wanted) = &params.boot_id {
        let now = boot_id().map_err(|error| Ending::refused("boot_unknown", chain(&error)))?;
        if now.to_string() != *wanted {
            let message = "the endpoint was started again since; look the process up anew";
            return Err(Ending::refused("other_boot", message));
        }
    }
    if leftovers::supervisors(&endpoint.state).contains(&identity) {
        return Err(Ending::refused("protected", "it is a part of the agent"));
    }
    let options = Options {
        max_bytes: params.max_bytes,
        registers: params.registers,
        hold: (params.hold_seconds > 0).then(|| Duration::from_secs(u64::from(params.hold_seconds))),
        honour_dontdump: params.honour_dontdump,
        mapped_files: params.mapped_files,
    };
    let (cancel, place) = (job.cancel.clone(), spool.clone());
    let total = Arc::new(AtomicU64::new(0));
    let known = total.clone();
    let work = move |count: &AtomicU64| -> Result<Sealed<About>, Ending> {
        let archived = archived(identity, &options, &password, &place.path(), &cancel, count, &known)?;
        let sealed = Sealed { size: archived.size, sha256: archived.sha256, about: about(&archived) };
        place.seal(&sealed).map_err(|error| unsent(&error))?;
        Ok(sealed)
    };
    thread::run(work, |read| job.progress(read, total.load(Ordering::Relaxed), "reading")).await?
}

fn archived(
    identity: Identity,
    options: &Options,
    password: &Password,
    path: &Path,
    cancel: &Cancel,
    count: &AtomicU64,
    total: &AtomicU64,
) -> Result<Archived, Ending> {
    let mut watch = watch(cancel, path, count);
    let mut progress = |at, all| -> ControlFlow<()> {
        total.store(all, Ordering::Relaxed);
        watch(at)
    };
    let stop = || cancel.is_asked();
    memory::dump(&Kind::Memory.launcher(), identity, options, password, path, &mut progress, &stop).map_err(
        |error| match error {
            Error::Stopped { at } if !cancel.is_asked() => disk_full(at),
            Error::Stopped { at } => {
                Ending::canceled(format!("canceled after {at} bytes were read; nothing was sent"))
            }
            Error::Said(Trouble { is_refusal: true, code, message }) => Ending::refused(&code, message),
            Error::Said(Trouble { code, message, .. }) => Ending::failed(&code, message),
            Error::Stuck => Ending::failed("memory_stuck", chain(&error)),
            Error::Failed(ref failure) => Ending::failed(failure.code(), chain(&error)),
        },
    )
}

fn about(archived: &Archived) -> About {
    let dumped = &archived.dumped;
    About {
        path: dumped.exe.to_string_lossy().into_owned(),
        size: dumped.size,
        sha256: hex(&dumped.sha256),
        entry: archived.entry.clone(),
        threads: dumped.threads,
        threads_with_registers: dumped.threads_with_registers,
        no_registers: dumped.no_registers.clone(),
        stopped_us: dumped.stopped.as_micros() as u64,
        one_instant: dumped.one_instant,
        mappings: dumped.mappings,
        address_space: dumped.address_space,
        left_out: dumped.left_out,
        unreadable: dumped.unreadable,
    }
}

/// A look at the process afterwards, as anybody else would. It may have ended by itself meanwhile.
fn runs_on(identity: Identity) -> Probe {
    let found = get(identity.pid).ok().filter(|process| process.identity == identity);
    let after = match found.map(|process| process.state) {
        None | Some(State::Zombie) => "it has ended since",
        Some(State::Stopped) => "it is stopped",
        Some(_) => "it runs on",
    };
    Probe {
        subject: format!("process {identity}"),
        method: "process list".to_owned(),
        before: None,
        after: after.to_owned(),
        held: after != "it is stopped",
        proves: false,
    }
}
