//! `endpoint.collect_chain` on this endpoint: find the event in the recorder's ring, and have the chain around it opened. The
//! chain itself comes by the session, as those of detections do.

use std::time::Duration;

use quell_catalog::PathText;
use quell_catalog::endpoint::collect_chain::{Outcome, Params};
use quell_host::system::boot_id;
use quell_wire::activity::{Process, ProcessKey};
use quell_wire::digest::unhex;

use super::{Endpoint, thread};
use crate::recorder::{Asked, Recorder, RingError, Wanted, lineage, newest, reader};
use crate::runner::{Cancel, Ending, Job, chain};

/// For the recorder to open a chain.
const ANSWER: Duration = Duration::from_secs(20);
/// For the recorder to write what it has.
const WRITTEN: Duration = Duration::from_secs(10);

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let recorder = endpoint
        .recorder
        .clone()
        .ok_or_else(|| Ending::refused("not_recorded", "nothing is recorded here"))?;
    let boot = boot_id().map_err(|error| Ending::refused("boot_unknown", chain(&error)))?.to_string();
    if params.boot_id.as_ref().is_some_and(|wanted| *wanted != boot) {
        return Err(Ending::refused(
            "other_boot",
            "the endpoint was started again since; what led to it is over",
        ));
    }
    let wanted = wanted(&params)?;
    let is_written = written(&recorder).await?;
    let found = find(&recorder, &boot, &wanted, &params, &job.cancel).await?;
    let Found { key, activity, rows } = match (found, &wanted) {
        (Some(found), _) => found,
        // It has done nothing yet that was recorded.
        (None, Wanted::Process(key)) => Found { key: *key, activity: 0, rows: Vec::new() },
        (None, Wanted::Path(_) | Wanted::Sha256(_)) => {
            let what = params.path.as_ref().or(params.path_hex.as_ref()).or(params.sha256.as_ref());
            let what = what.map_or("it", String::as_str);
            if !is_written {
                let why = format!(
                    "the recorder of this endpoint has nothing about {what} on its disk, and is behind with writing; ask again"
                );
                return Err(Ending::failed("not_written", why));
            }
            let why = format!(
                "the recorder of this endpoint has nothing about {what} in this boot, or not any more"
            );
            return Err(Ending::failed("not_found", why));
        }
    };
    let note = if params.note.is_empty() { "Asked for by an order.".to_owned() } else { params.note.clone() };
    let asked = Asked { key, activity, rows, note };
    let answer = recorder.collect(asked).map_err(|error| Ending::refused("not_recorded", chain(&error)))?;
    let collected = tokio::time::timeout(ANSWER, answer).await;
    let Ok(Ok(collected)) = collected else {
        return Err(Ending::indeterminate("no_answer", "the recorder did not answer in time"));
    };
    let collected = collected.map_err(|why| Ending::failed("not_found", why))?;
    let (lost, oldest_us) = recorder.losses();
    Ok(Ending::done(&Outcome {
        chain_id: collected.chain_id,
        detection_id: collected.detection_id,
        joined: collected.is_joined,
        boot_id: boot,
        pid: key.pid,
        start_time: key.start,
        root_pid: collected.root.pid,
        root_start_time: collected.root.start,
        lost,
        oldest_us,
    }))
}

/// Whether what happened until now is on the disk: the newest event is meant, and an older one would be found just as well. Where
/// the recorder is behind, what it has is looked at.
async fn written(recorder: &Recorder) -> Result<bool, Ending> {
    let off = |why: String| Ending::refused("not_recorded", why);
    let written = recorder.written().await.map_err(|error| off(chain(&error)))?;
    match tokio::time::timeout(WRITTEN, written).await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(_)) => Err(off("the recorder ended while it was asked; ask again".to_owned())),
        Err(_) => Ok(false),
    }
}

fn wanted(params: &Params) -> Result<Wanted, Ending> {
    let invalid = || Ending::refused("params_invalid", "nothing names the process");
    if let (Some(pid), Some(start)) = (params.pid, params.start_time) {
        return Ok(Wanted::Process(ProcessKey { pid, start }));
    }
    if let Some(sha256) = &params.sha256 {
        return unhex(sha256).map(Wanted::Sha256).ok_or_else(invalid);
    }
    let path = PathText::from_fields(params.path.as_deref(), params.path_hex.as_deref());
    let path = path.ok().flatten().ok_or_else(invalid)?;
    Ok(Wanted::Path(path.as_bytes().to_vec()))
}

/// An event of the ring.
struct Found {
    key: ProcessKey,
    activity: u64,
    /// Its process and the ancestors of that, as far as the ring has them.
    rows: Vec<Process>,
}

/// The newest event in the ring that is meant. It may read all of it.
async fn find(
    recorder: &Recorder,
    boot: &str,
    wanted: &Wanted,
    params: &Params,
    cancel: &Cancel,
) -> Result<Option<Found>, Ending> {
    let (ring, boot, wanted, cancel) = (recorder.ring(), boot.to_owned(), wanted.clone(), cancel.clone());
    let time = (params.from_us.unwrap_or(i64::MIN), params.until_us.unwrap_or(i64::MAX));
    let work = move |_: &_| {
        let connection = reader(&ring)?;
        let found = newest(&connection, &boot, &wanted, time, &|| cancel.is_asked())?;
        let Some(activity) = found else { return Ok(None) };
        let rows = lineage(&connection, &boot, activity.process)?;
        Ok(Some(Found { key: activity.process, activity: activity.id, rows }))
    };
    let found: Result<_, RingError> = thread::run(work, |_| ()).await?;
    found.map_err(|error| Ending::failed("ring_unreadable", chain(&error)))
}
