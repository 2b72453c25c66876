//! `endpoint.run_yara` on this endpoint: fetch the rules by their digest, hand one file after the other, or the memory of
//! one process after the other, to a sealed worker, and tell what it finds in rows while it goes on.

mod memory;
mod sweep;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use quell_catalog::endpoint::run_yara::{Outcome, Params, RunYara};
use quell_catalog::library::Kind as LibraryKind;
use quell_catalog::rows::{Column, ColumnType};

use self::sweep::{Sweep, Take, Told};
use super::sweep::{Stop, files};
use super::{Endpoint, library, thread};
use crate::rows::{Limits, Writer};
use crate::runner::{Ending, Job, chain};
use crate::worker::Kind;
use crate::worker::yara::{Error as WorkerError, Refused, Scanner, Set};

/// Processor time of a worker beyond the time of the whole.
const SPARE_TIME: Duration = Duration::from_mins(1);

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let digest = RunYara::digest(&params.rules)
        .ok_or_else(|| Ending::refused("rules_unresolved", "the order names no digest of rules"))?
        .to_owned();
    let sets = vec![("default".to_owned(), rules(endpoint, job, &digest).await?)];
    let writer = Writer::of(endpoint, job, columns(), Limits::default())?;
    let (cancel, progress) = (job.cancel.clone(), Arc::new(Told::default()));
    let told = progress.clone();
    let work = move |_: &AtomicU64| -> Result<(Outcome, Writer), Ending> {
        let (stop, take) = (|| cancel.is_asked(), |row| writer.push_blocking(row));
        let (sweep, ended_by) = swept(&params, sets, &take, &stop, &told)?;
        if let Some(message) = sweep.budget.not_found().filter(|_| ended_by.is_none()) {
            return Err(Ending::failed("not_found", message));
        }
        let outcome = outcome(sweep, digest, ended_by);
        Ok((outcome, writer))
    };
    let (mut outcome, writer) = thread::run(work, |_| progress.tell(job)).await??;
    outcome.matches = writer.finish().await?;
    Ok(Ending::done(&outcome))
}

/// Applies the rules to everything that the parameters name. Also tells the limit that ended it early.
fn swept<'s>(
    params: &'s Params,
    sets: Vec<Set>,
    take: Take<'s>,
    stop: &'s dyn Fn() -> bool,
    told: &'s Told,
) -> Result<(Sweep<'s>, Option<String>), Ending> {
    let cpu = Duration::from_secs(u64::from(params.time_limit_seconds)) + SPARE_TIME;
    // Memory is looked at in pieces of a fixed size, whatever a file may be.
    let largest = if params.is_memory() { 0 } else { params.max_file_bytes };
    let scanner = Scanner::start(Kind::Yara.launcher(), sets, largest, cpu, stop).map_err(unstarted)?;
    let mut sweep = Sweep::new(params, scanner, take, stop, told);
    let flow =
        if params.is_memory() { memory::look(&mut sweep) } else { files::look(&params.paths, &mut sweep) };
    match flow {
        ControlFlow::Break(Stop::Canceled) => Err(Ending::canceled(sweep.so_far())),
        ControlFlow::Break(Stop::Failed(code, message)) => Err(Ending::failed(code, message)),
        ControlFlow::Break(Stop::Limit(limit)) => Ok((sweep, Some(limit.to_owned()))),
        ControlFlow::Continue(()) => Ok((sweep, None)),
    }
}

/// What rules found where nobody asks for more.
pub(super) struct Found {
    /// Files and processes that matched.
    pub matched: u64,
    /// The limit that ended it early.
    pub ended_by: Option<String>,
}

/// Applies rules for another action, whose rows go where it says. For a thread that may block.
pub(super) fn applied(
    params: &Params,
    rules: Vec<u8>,
    take: Take<'_>,
    stop: &dyn Fn() -> bool,
) -> Result<Found, Ending> {
    let told = Told::default();
    let (sweep, ended_by) = swept(params, vec![("default".to_owned(), rules)], take, stop, &told)?;
    Ok(Found { matched: sweep.matched, ended_by })
}

/// The rules' text, whose digest is that of the order.
pub(super) async fn rules(endpoint: &Endpoint, job: &Job, digest: &str) -> Result<Vec<u8>, Ending> {
    Ok(library::fetched(endpoint, job, LibraryKind::Yara, Some(digest)).await?.bytes)
}

pub(super) fn unstarted(error: WorkerError) -> Ending {
    match error {
        WorkerError::Refused(Refused { problem, hint }) => {
            let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
            Ending::refused("rules_refused", format!("{problem}{hint}"))
        }
        WorkerError::Worker(failure) if failure.code() == "canceled" => {
            Ending::canceled("canceled before anything was looked at")
        }
        WorkerError::Worker(failure) => Ending::failed(failure.code(), chain(&failure)),
    }
}

fn outcome(sweep: Sweep<'_>, rules_sha256: String, ended_by: Option<String>) -> Outcome {
    let duration_ms = sweep.budget.begun.elapsed().as_millis() as u64;
    let busy_us = u64::try_from(sweep.budget.busy.as_micros()).unwrap_or(u64::MAX).max(1);
    let (compiled, confined) = (sweep.scanner.compiled().clone(), sweep.scanner.confined().clone());
    Outcome {
        rules_sha256,
        rules: compiled.rules,
        warnings: compiled.warnings,
        confined: confined.to_string(),
        confinement_warnings: confined.warnings,
        restarts: sweep.scanner.restarts(),
        files: sweep.files,
        processes: sweep.processes,
        bytes: sweep.budget.bytes,
        unreadable_bytes: sweep.unreadable,
        untouched_bytes: sweep.untouched,
        duration_ms,
        bytes_per_second: u64::try_from(u128::from(sweep.budget.bytes) * 1_000_000 / u128::from(busy_us))
            .unwrap_or(u64::MAX),
        matched: sweep.matched,
        skipped: sweep.budget.skipped(),
        ended_by,
        matches: quell_catalog::rows::Rows::default(),
    }
}

fn columns() -> Vec<Column> {
    use ColumnType::{Blob, Integer, Text};
    [
        ("rule", Text),
        ("path", Text),
        ("pid", Integer),
        ("start_time", Integer),
        ("process", Text),
        ("string", Text),
        ("offset", Integer),
        ("length", Integer),
        ("data", Blob),
        ("xor", Integer),
        ("tags", Text),
        ("meta", Text),
        ("namespace", Text),
        ("path_hex", Text),
    ]
    .into_iter()
    .map(|(name, kind)| Column::new(name, kind))
    .collect()
}
