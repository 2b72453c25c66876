//! `endpoint.run_script` on this endpoint: fetch the body by its digest, start it under a supervisor that
//! outlives the agent, or take up one that did, and bring its output in.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use quell_catalog::archive::Archive;
use quell_catalog::endpoint::run_script::{self, Outcome, Output, Params, RunScript};
use quell_catalog::library::Kind;
use quell_host::file;
use quell_host::script::{self, Ended, Interpreter, Running, Stream};
use quell_wire::digest::hex;

use super::archive::{disk_full, password, send, watch};
use super::library::{self, Body};
use super::{Endpoint, leftovers, supervised, thread};
use crate::runner::{Ending, Job, chain};
use crate::transfer::{Error as TransferError, Sealed, Spool};

/// Of each stream in the outcome itself. Bytes.
const SHOWN: usize = 32 << 10;

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
    let told = |written| job.progress(written, 0, "running");
    let place = |attempt| leftovers::run(&work, attempt);
    let (run, outcome) = if let Some(found) = supervised::taken_up(job, &place, &told).await? {
        found
    } else {
        let running = start(endpoint, job, &params, digest, interpreter, &work).await?;
        let run = running.path().to_owned();
        let outcome = supervised::wait(job, running, &told).await?;
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

async fn start(
    endpoint: &Endpoint,
    job: &Job,
    params: &Params,
    digest: &str,
    interpreter: Interpreter,
    work: &Path,
) -> Result<Running, Ending> {
    supervised::in_time(endpoint, job)?;
    // Before the download: what cannot run need not be fetched.
    interpreter.find().map_err(|error| supervised::unstarted(&error))?;
    let Body { bytes: body, sha256, .. } =
        library::fetched(endpoint, job, Kind::Script, Some(digest)).await?;
    supervised::in_time(endpoint, job)?;
    let spec = script::Job {
        interpreter,
        body,
        sha256,
        args: params.arguments.clone(),
        env: [("QUELL_ORDER_ID".to_owned(), job.order_id.clone())].into(),
        cwd: None,
        limits: supervised::limits(
            interpreter,
            Duration::from_secs(u64::from(params.time_limit_seconds)),
            u64::from(params.output_limit_bytes),
        ),
    };
    supervised::start(endpoint, leftovers::run(work, job.attempt), spec).await
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
        let message =
            format!("ended for having {seen} processes at once; {} are allowed", supervised::PROCESSES);
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
    let password = password(job)
        .await
        .map_err(|_| Ending::failed("no_password", "no password for the archive came with the order"))?;
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
