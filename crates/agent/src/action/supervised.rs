//! Programs under a supervisor that outlives the agent: started, watched until their end, or taken up after a restart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use quell_host::script::{self, Adopted, Ended, Error, Interpreter, Lost, Running};

use super::{Endpoint, thread};
use crate::runner::{Ending, Job, chain};
use crate::transfer::is_full;

/// Address space of each process, but for PowerShell, whose runtime reserves far more than it uses. Bytes.
const MEMORY: u64 = 4 << 30;
/// Processes at once.
pub(super) const PROCESSES: u32 = 512;
/// Looks at the supervisor: soon at first, since most scripts are short.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LAST_LOOK: Duration = Duration::from_millis(250);

/// Told the bytes written until now.
type Tell<'t> = &'t (dyn Fn(u64) + Sync);

/// What a program may use.
pub(super) fn limits(interpreter: Interpreter, time: Duration, output: u64) -> script::Limits {
    script::Limits {
        time,
        output,
        memory: (interpreter != Interpreter::Pwsh).then_some(MEMORY),
        cpu: None,
        processes: Some(PROCESSES),
    }
}

/// What an earlier attempt left: its end, or none where nothing ran. An attempt has a directory of its own,
/// so that a supervisor of an earlier one that comes late finds nothing to claim.
pub(super) async fn taken_up(
    job: &Job,
    place: &(dyn Fn(u32) -> PathBuf + Sync),
    tell: Tell<'_>,
) -> Result<Option<(PathBuf, script::Outcome)>, Ending> {
    for attempt in (1..=job.attempt).rev() {
        let run = place(attempt);
        if !run.exists() {
            continue;
        }
        tracing::info!(order.id = job.order_id, attempt, "taking a script up again");
        match script::adopt(&run) {
            Ok(Adopted::Running(running)) => {
                return wait(job, running, tell).await.map(|outcome| Some((run, outcome)));
            }
            Ok(Adopted::Finished(outcome)) => return Ok(Some((run, outcome))),
            Ok(Adopted::NotStarted) => {}
            Ok(Adopted::Lost(lost)) => return Err(lost_ending(&lost)),
            Err(error) => return Err(Ending::indeterminate("run_unreadable", chain(&error))),
        }
    }
    Ok(None)
}

/// Starts one in a directory that is not there yet.
pub(super) async fn start(endpoint: &Endpoint, run: PathBuf, spec: script::Job) -> Result<Running, Ending> {
    let (place, launcher) = (run.clone(), endpoint.launcher.clone());
    let spawned = thread::run(move |_| script::spawn(&place, &spec, &launcher), |_| ()).await?;
    match spawned {
        Ok(running) => Ok(running),
        Err(error) => settle(&run, &error),
    }
}

/// A start that failed half-way: only the run's directory says what became of it.
fn settle(run: &Path, error: &Error) -> Result<Running, Ending> {
    if !run.exists() {
        return Err(unstarted(error));
    }
    match script::adopt(run) {
        Ok(Adopted::Running(running)) => Ok(running),
        Ok(Adopted::NotStarted) => Err(unstarted(error)),
        Ok(Adopted::Finished(outcome)) => match outcome.ended {
            Ended::NotStarted { reason } => Err(Ending::refused("not_started", reason)),
            _ => Err(Ending::indeterminate("supervisor_failed", chain(error))),
        },
        Ok(Adopted::Lost(lost)) => Err(lost_ending(&lost)),
        Err(unreadable) => Err(Ending::indeterminate("run_unreadable", chain(&unreadable))),
    }
}

/// Nothing begins after the order's end or its cancel, also not a second attempt.
pub(super) fn in_time(endpoint: &Endpoint, job: &Job) -> Result<(), Ending> {
    if job.cancel.is_asked() {
        return Err(Ending::canceled("canceled before the script was started"));
    }
    if endpoint.clock.now_us() > job.not_after_us {
        return Err(Ending::refused("order_expired", "the order expired before the script was started"));
    }
    Ok(())
}

pub(super) fn unstarted(error: &Error) -> Ending {
    let code = match error {
        Error::InterpreterMissing(_) => "interpreter_missing",
        Error::Job(_) => "script_unusable",
        Error::Digest => "digest_differs",
        Error::Io { source, .. } if is_full(source) => "disk_full",
        Error::Exists | Error::Supervisor(_) | Error::Directory(_) | Error::Io { .. } | Error::Process(_) => {
            "not_started"
        }
    };
    Ending::refused(code, chain(error))
}

fn lost_ending(lost: &Lost) -> Ending {
    let how = if lost.rebooted { "the endpoint was started again" } else { "its supervisor was killed" };
    Ending::indeterminate(
        "script_lost",
        format!(
            "the script was started and did not come to its end: {how}; it had written {} bytes to stdout and {} to \
             stderr; {} of its processes were still there and were ended, {} could not be",
            lost.stdout, lost.stderr, lost.stopped, lost.left
        ),
    )
}

/// Until the run is over. A cancel is passed on to the supervisor, which ends the script and says so.
pub(super) async fn wait(job: &Job, running: Running, tell: Tell<'_>) -> Result<script::Outcome, Ending> {
    let mut look = FIRST_LOOK;
    let mut passed_on = false;
    loop {
        // Answered at once by the kernel: no thread is held while a script runs.
        match running.wait(Duration::ZERO) {
            Ok(None | Some(Adopted::Running(_))) => {}
            Ok(Some(Adopted::Finished(outcome))) => return Ok(outcome),
            Ok(Some(Adopted::Lost(lost))) => return Err(lost_ending(&lost)),
            Ok(Some(Adopted::NotStarted)) => {
                return Err(Ending::refused("not_started", "the script's supervisor never came"));
            }
            Err(error) => return Err(Ending::indeterminate("run_unreadable", chain(&error))),
        }
        if job.cancel.is_asked() && !passed_on {
            passed_on = true;
            if let Err(error) = running.cancel() {
                tracing::warn!(error = chain(&error), "a script cannot be told to end");
            }
        }
        let written = kept(running.path(), "stdout") + kept(running.path(), "stderr");
        tell(written);
        if passed_on {
            tokio::time::sleep(look).await;
        } else {
            let _ = tokio::time::timeout(look, job.cancel.asked()).await;
        }
        look = (look * 2).min(LAST_LOOK);
    }
}

fn kept(run: &Path, stream: &str) -> u64 {
    std::fs::metadata(run.join(stream)).map_or(0, |facts| facts.len())
}
