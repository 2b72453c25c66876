//! `endpoint.run_script` on this endpoint: fetch the body by its digest, start it under a supervisor that
//! outlives the agent, or take up one that did, and bring its output in.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use quell_catalog::Secret;
use quell_catalog::endpoint::run_script::{self, Outcome, Output, Params, RunScript};
use quell_catalog::file::collect::Archive;
use quell_host::file::{self, Password};
use quell_host::script::{self, Adopted, Ended, Error, Interpreter, Lost, Running, Stream};
use quell_wire::digest::hex;

use super::file_collect::{disk_full, send, watch};
use super::{Endpoint, decode, leftovers, thread};
use crate::runner::{Ending, Job, chain};
use crate::transfer::{self, Error as TransferError, Gateway, Sealed, Spool, is_full};

/// Of each stream in the outcome itself. Bytes.
const SHOWN: usize = 32 << 10;
/// Address space of each process, but for PowerShell, whose runtime reserves far more than it uses. Bytes.
const MEMORY: u64 = 4 << 30;
/// Processes at once.
const PROCESSES: u32 = 512;
/// Looks at the supervisor: soon at first, since most scripts are short.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LAST_LOOK: Duration = Duration::from_millis(250);
/// After a restart the archive's password comes with the order's next delivery. Not waited for longer.
const PASSWORD: Duration = Duration::from_mins(5);

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let digest = RunScript::digest(&params.script)
        .ok_or_else(|| Ending::refused("script_unresolved", "the order names no digest of a script"))?;
    let interpreter = params.interpreter.map(interpreter).ok_or_else(|| {
        Ending::refused("interpreter_missing", "the order does not say what runs the script")
    })?;
    let work =
        endpoint.work_directory(job).map_err(|error| Ending::refused("spool_failed", chain(&error)))?;
    let (run, outcome) = if let Some(found) = taken_up(job, &work).await? {
        found
    } else {
        let running = start(endpoint, job, &params, digest, interpreter, &work).await?;
        let run = running.path().to_owned();
        let outcome = wait(job, running).await?;
        (run, outcome)
    };
    report(endpoint, job, &work, Finished { run: &run, outcome: &outcome, digest, interpreter }).await
}

const fn interpreter(named: run_script::Interpreter) -> Interpreter {
    match named {
        run_script::Interpreter::Bash => Interpreter::Bash,
        run_script::Interpreter::Sh => Interpreter::Sh,
        run_script::Interpreter::Python => Interpreter::Python3,
        run_script::Interpreter::Powershell => Interpreter::Pwsh,
    }
}

/// What an earlier attempt left: its end, or none where nothing ran. An attempt has a directory of its own,
/// so that a supervisor of an earlier one that comes late finds nothing to claim.
async fn taken_up(job: &Job, work: &Path) -> Result<Option<(PathBuf, script::Outcome)>, Ending> {
    for attempt in (1..=job.attempt).rev() {
        let run = leftovers::run(work, attempt);
        if !run.exists() {
            continue;
        }
        tracing::info!(order.id = job.order_id, attempt, "taking a script up again");
        match script::adopt(&run) {
            Ok(Adopted::Running(running)) => {
                return wait(job, running).await.map(|outcome| Some((run, outcome)));
            }
            Ok(Adopted::Finished(outcome)) => return Ok(Some((run, outcome))),
            Ok(Adopted::NotStarted) => {}
            Ok(Adopted::Lost(lost)) => return Err(lost_ending(&lost)),
            Err(error) => return Err(Ending::indeterminate("run_unreadable", chain(&error))),
        }
    }
    Ok(None)
}

async fn start(
    endpoint: &Endpoint,
    job: &Job,
    params: &Params,
    digest: &str,
    interpreter: Interpreter,
    work: &Path,
) -> Result<Running, Ending> {
    in_time(endpoint, job)?;
    // Before the download: what cannot run need not be fetched.
    interpreter.find().map_err(|error| unstarted(&error))?;
    let sha256: [u8; 32] = decode(digest)
        .ok_or_else(|| Ending::refused("script_unresolved", "the script's digest cannot be read"))?;
    let gateway = Gateway { dialer: endpoint.dialer.clone(), identity: endpoint.identity.clone() };
    let body = transfer::script(&gateway, &sha256, &job.cancel).await.map_err(|error| match error {
        TransferError::Canceled => Ending::canceled("canceled before the script was started"),
        error => {
            Ending::refused("script_unavailable", format!("the script was not fetched: {}", chain(&error)))
        }
    })?;
    in_time(endpoint, job)?;
    let spec = script::Job {
        interpreter,
        body,
        sha256,
        args: params.arguments.clone(),
        env: [("QUELL_ORDER_ID".to_owned(), job.order_id.clone())].into(),
        cwd: None,
        limits: script::Limits {
            time: Duration::from_secs(u64::from(params.time_limit_seconds)),
            output: u64::from(params.output_limit_bytes),
            memory: (interpreter != Interpreter::Pwsh).then_some(MEMORY),
            cpu: None,
            processes: Some(PROCESSES),
        },
    };
    let (run, launcher) = (leftovers::run(work, job.attempt), endpoint.launcher.clone());
    let spawned = thread::run(move |_| script::spawn(&run, &spec, &launcher), |_| ()).await?;
    match spawned {
        Ok(running) => Ok(running),
        Err(error) => settle(&leftovers::run(work, job.attempt), &error),
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
fn in_time(endpoint: &Endpoint, job: &Job) -> Result<(), Ending> {
    if job.cancel.is_asked() {
        return Err(Ending::canceled("canceled before the script was started"));
    }
    if endpoint.clock.now_us() > job.not_after_us {
        return Err(Ending::refused("order_expired", "the order expired before the script was started"));
    }
    Ok(())
}

fn unstarted(error: &Error) -> Ending {
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
async fn wait(job: &Job, running: Running) -> Result<script::Outcome, Ending> {
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
        job.progress(written, 0, "running");
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

struct Finished<'a> {
    run: &'a Path,
    outcome: &'a script::Outcome,
    digest: &'a str,
    interpreter: Interpreter,
}

async fn report(
    endpoint: &Endpoint,
    job: &Job,
    work: &Path,
    finished: Finished<'_>,
) -> Result<Ending, Ending> {
    let Finished { run, outcome: ended, digest, interpreter } = finished;
    if let Ended::NotStarted { reason } = &ended.ended {
        return Err(Ending::refused("not_started", reason.clone()));
    }
    let stdout = shown(run, Stream::Stdout, &ended.stdout)?;
    let stderr = shown(run, Stream::Stderr, &ended.stderr)?;
    let is_more = ended.stdout.kept > SHOWN as u64 || ended.stderr.kept > SHOWN as u64;
    let path = interpreter.find().map_or_else(|_| String::new(), |path| path.display().to_string());
    let mut outcome = Outcome {
        sha256: digest.to_owned(),
        interpreter: format!("{} {path}", interpreter.program()).trim_end().to_owned(),
        exit_code: None,
        signal: None,
        timed_out: ended.ended == Ended::TimedOut,
        canceled: ended.ended == Ended::Canceled,
        duration_ms: ended.duration_ms,
        left_behind: u32::try_from(ended.stopped).unwrap_or(u32::MAX),
        stdout,
        stderr,
        archive: None,
    };
    match ended.ended {
        Ended::Exited { code } => outcome.exit_code = Some(code),
        Ended::Signaled { signal } => outcome.signal = Some(signal),
        Ended::TimedOut | Ended::Canceled | Ended::TooManyProcesses { .. } | Ended::NotStarted { .. } => {}
    }
    let mut unsent = None;
    if is_more {
        match archive(endpoint, job, work, run).await {
            Ok(archive) => outcome.archive = Some(archive),
            Err(why) => unsent = Some(why),
        }
    }
    Ok(judged(ended, &outcome, unsent))
}

/// What the run's end means for the order. An exit code is judged by who asked, not here.
fn judged(ended: &script::Outcome, outcome: &Outcome, unsent: Option<Ending>) -> Ending {
    if let Ended::TooManyProcesses { seen } = ended.ended {
        let message = format!("ended for having {seen} processes at once; {PROCESSES} are allowed");
        return Ending::failed("too_many_processes", message).with(outcome);
    }
    if ended.left > 0 {
        let message = format!("{} processes that the script left behind could not be ended", ended.left);
        return Ending::failed("processes_left", message).with(outcome);
    }
    if outcome.canceled {
        return Ending::canceled(format!("the script was ended after {} ms", outcome.duration_ms))
            .with(outcome);
    }
    match unsent {
        Some(why) if why.code == "canceled" => {
            Ending::canceled("the script had ended; its full output was not brought in").with(outcome)
        }
        Some(why) => {
            let message =
                format!("the script ran to its end, but its full output was not brought in: {}", why.message);
            Ending::failed("output_not_stored", message).with(outcome)
        }
        None => Ending::done(outcome),
    }
}

fn shown(run: &Path, stream: Stream, output: &script::Output) -> Result<Output, Ending> {
    let bytes = script::tail(run, stream, 0, SHOWN)
        .map_err(|error| Ending::indeterminate("run_unreadable", chain(&error)))?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text[..text.floor_char_boundary(SHOWN)].to_owned();
    // The replacement of bytes that are no text can push others out.
    let truncated = output.seen > bytes.len() as u64 || text.len() < bytes.len();
    Ok(Output { text, bytes: output.seen, truncated })
}

/// Both streams, as kept, encrypted, to the gateway.
async fn archive(endpoint: &Endpoint, job: &Job, work: &Path, run: &Path) -> Result<Archive, Ending> {
    let failed = |error: TransferError| match error {
        TransferError::Canceled => Ending::canceled("canceled"),
        error => Ending::failed(error.code(), chain(&error)),
    };
    let spool = Spool::within(work);
    let sealed = match spool.sealed::<()>().map_err(failed)? {
        Some(sealed) => sealed,
        None => pack(job, &spool, run).await?,
    };
    send(endpoint, job, &spool, &sealed).await.map_err(failed)
}

async fn pack(job: &Job, spool: &Spool, run: &Path) -> Result<Sealed<()>, Ending> {
    let password = tokio::time::timeout(PASSWORD, job.secret(Secret::ArchivePassword)).await.ok().flatten();
    let password = password
        .and_then(|password| Password::new(password).ok())
        .ok_or_else(|| Ending::failed("no_password", "no password for the archive came with the order"))?;
    let (cancel, place) = (job.cancel.clone(), spool.clone());
    let (stdout, stderr) = (run.join("stdout"), run.join("stderr"));
    let work = move |count: &AtomicU64| {
        let path = place.path();
        let files = [("stdout.txt", stdout.as_path()), ("stderr.txt", stderr.as_path())];
        let archived = file::archive_to_file(&files, &password, &path, watch(&cancel, &path, count))
            .map_err(|error| match (&error, cancel.is_asked()) {
                (file::Error::Canceled { .. }, true) => Ending::canceled("canceled"),
                (file::Error::Canceled { at }, false) => disk_full(*at),
                _ => Ending::failed("archive_failed", chain(&error)),
            })?;
        let sealed = Sealed { size: archived.size, sha256: archived.sha256, about: () };
        place.seal(&sealed).map_err(|error| Ending::failed(error.code(), chain(&error)))?;
        tracing::debug!(sha256 = hex(&archived.sha256), "output packed");
        Ok(sealed)
    };
    thread::run(work, |read| job.progress(read, 0, "packing")).await?
}
