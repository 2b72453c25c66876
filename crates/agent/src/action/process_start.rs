//! `process.start` on this endpoint: an attendant that outlives the agent starts the program and says how it went. After a
//! crash of the agent the start is looked up, never repeated once an attendant has come.

use std::path::{Path, PathBuf};
use std::time::Duration;

use quell_catalog::endpoint::run_script::Output;
use quell_catalog::evidence::Probe;
use quell_catalog::process::start::{Outcome, Params};
use quell_host::process::start::{self, End, Plan, Standing, Started};
use quell_wire::digest::{hex, unhex};

use super::{Endpoint, thread};
use crate::runner::{Ending, Job, chain};

/// Bytes of output in the outcome.
const SHOWN: usize = 64 << 10;
/// Looks at the program: soon at first, since most end soon or not at all.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LAST_LOOK: Duration = Duration::from_millis(100);
/// For an attendant to note the end of its program.
const NOTE: Duration = Duration::from_secs(2);
/// For an attendant that was at it when the agent died.
const ATTENDANT: Duration = Duration::from_mins(2);

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let work =
        endpoint.work_directory(job).map_err(|error| Ending::refused("spool_failed", chain(&error)))?;
    let found = match taken_up(job, &work).await? {
        Some(found) => Some(found),
        None => begun(endpoint, job, &params, &work).await?,
    };
    let Some((dir, started)) = found else {
        return Err(Ending::refused("not_started", "the attendant of the program never came"));
    };
    let mut end = watch(job, &dir, Duration::from_secs(u64::from(params.watch_seconds))).await?;
    if end.is_none() && started.identity.is_running().is_ok_and(|lives| !lives) {
        // It ended just now, and its attendant is about to note how.
        end = watch(job, &dir, NOTE).await?;
    }
    report(&dir, &started, end)
}

/// The directory of one attempt.
fn place(work: &Path, attempt: u32) -> PathBuf {
    work.join(format!("start-{attempt}"))
}

/// What an earlier attempt left; none where nothing was started.
async fn taken_up(job: &Job, work: &Path) -> Result<Option<(PathBuf, Started)>, Ending> {
    for attempt in (1..=job.attempt).rev() {
        let dir = place(work, attempt);
        if dir.exists()
            && let Some(started) = settled(&dir).await?
        {
            tracing::info!(order.id = job.order_id, attempt, "a program was started by an earlier attempt");
            return Ok(Some((dir, started)));
        }
    }
    Ok(None)
}

async fn begun(
    endpoint: &Endpoint,
    job: &Job,
    params: &Params,
    work: &Path,
) -> Result<Option<(PathBuf, Started)>, Ending> {
    if job.cancel.is_asked() {
        return Err(Ending::canceled("canceled before the program was started"));
    }
    if endpoint.clock.now_us() > job.not_after_us {
        return Err(Ending::refused("order_expired", "the order expired before the program was started"));
    }
    let sha256 = params
        .sha256
        .as_ref()
        .map(|text| unhex(text).ok_or_else(|| Ending::refused("params_invalid", "`sha256` is no such hash")));
    let variable = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text.as_str(), ""));
        (name.to_owned(), value.to_owned())
    };
    let plan = Plan {
        program: params.path.clone().into(),
        sha256: sha256.transpose()?,
        arguments: params.arguments.clone(),
        environment: params.environment.iter().map(variable).collect(),
        directory: params.working_directory.clone().map(PathBuf::from),
        user: params.user.clone(),
        output: SHOWN as u64,
    };
    let (dir, launcher) = (place(work, job.attempt), endpoint.launcher.clone());
    let path = dir.clone();
    let told = thread::run(move |_| start::start(&path, &plan, &launcher), |_| ()).await?;
    if let Err(error) = told {
        // Only the directory says what became of it.
        tracing::warn!(error = chain(&error), "a start was not seen through");
        if !dir.exists() {
            return Err(Ending::refused("not_started", chain(&error)));
        }
    }
    Ok(settled(&dir).await?.map(|started| (dir, started)))
}

/// What became of a start; none where nothing was started and nothing can be any more.
async fn settled(dir: &Path) -> Result<Option<Started>, Ending> {
    let until = tokio::time::Instant::now() + ATTENDANT;
    loop {
        let unreadable = |error| Ending::indeterminate("start_unreadable", chain(&error));
        match start::look(dir).map_err(unreadable)? {
            Standing::NotBegun => return Ok(None),
            Standing::Refused(refusal) => return Err(Ending::refused(&refusal.code, refusal.message)),
            Standing::Running(started) | Standing::Ended(started, _) => return Ok(Some(started)),
            Standing::Beginning if tokio::time::Instant::now() < until => {
                tokio::time::sleep(LAST_LOOK).await;
            }
            Standing::Beginning | Standing::Unknown => {
                return Err(Ending::indeterminate(
                    "start_unknown",
                    "the attendant of the program ended before it said whether it was started; look at the processes",
                ));
            }
        }
    }
}

/// Until the program ends, or the time is over, or the order is canceled: what was started stays.
async fn watch(job: &Job, dir: &Path, time: Duration) -> Result<Option<End>, Ending> {
    let until = tokio::time::Instant::now() + time;
    let mut pause = FIRST_LOOK;
    loop {
        let standing =
            start::look(dir).map_err(|error| Ending::indeterminate("start_unreadable", chain(&error)))?;
        if let Standing::Ended(_, end) = standing {
            return Ok(Some(end));
        }
        let now = tokio::time::Instant::now();
        if now >= until || job.cancel.is_asked() {
            return Ok(None);
        }
        job.progress(0, 0, "watching");
        let _ = tokio::time::timeout(pause.min(until - now), job.cancel.asked()).await;
        pause = (pause * 2).min(LAST_LOOK);
    }
}

fn report(dir: &Path, started: &Started, end: Option<End>) -> Result<Ending, Ending> {
    let lives = started.identity.is_running();
    let is_running = end.is_none() && lives.as_ref().is_ok_and(|lives| *lives);
    let bytes = start::output(dir, SHOWN)
        .map_err(|error| Ending::indeterminate("output_unreadable", chain(&error)))?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text[..text.floor_char_boundary(SHOWN)].to_owned();
    // More may have come than was kept, and may come still.
    let truncated = bytes.len() == SHOWN || text.len() < bytes.len();
    let after = match (&end, is_running, started.seen) {
        (Some(_), _, _) => "was executed, and has ended".to_owned(),
        (None, true, true) if started.script => "runs: its interpreter, with the script".to_owned(),
        (None, true, true) => "runs, and its executable is that very file".to_owned(),
        (None, true, false) => "runs, and its executable is another file".to_owned(),
        (None, false, _) => "is gone, and how it ended is not known".to_owned(),
    };
    let probe = Probe {
        subject: format!("process {}", started.identity),
        method: "process list, and the executable's device and inode".to_owned(),
        before: Some("not there".to_owned()),
        held: end.is_some() || (is_running && started.seen),
        after,
        proves: true,
    };
    Ok(Ending::done(&Outcome {
        pid: started.identity.pid,
        start_time: started.identity.start_time,
        boot_id: started.boot_id.clone(),
        path: started.program.to_string_lossy().into_owned(),
        sha256: hex(&started.sha256),
        script: started.script,
        uid: started.uid,
        running: is_running,
        exit_code: end.and_then(|end| end.code),
        signal: end.and_then(|end| end.signal),
        duration_ms: end.map(|end| end.after_ms),
        output: Output { bytes: bytes.len() as u64, text, truncated },
        probes: vec![probe],
    }))
}
