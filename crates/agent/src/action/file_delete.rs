//! `file.delete` on this endpoint.

use std::path::Path;
use std::sync::atomic::AtomicU64;

use quell_catalog::file::delete::{Content, Outcome};
use quell_catalog::file::quarantine::Params;
use quell_host::vault::{self, Before, Deleted, Event, Step};
use quell_wire::digest::hex;

use super::file_quarantine::{emptied, name, protected, request, running, unmoved, watch};
use super::{Endpoint, thread};
use crate::runner::{Ending, Job, chain};
use crate::state::write_synced;

/// Within the work directory: the file is about to go.
const NOTE: &str = "checked";

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let request = request(&params)?;
    let directory =
        endpoint.work_directory(job).map_err(|error| Ending::refused("spool_failed", chain(&error)))?;
    let (state, cancel, id, note) =
        (endpoint.state.clone(), job.cancel.clone(), name(job), directory.join(NOTE));
    let before = before(job, &note);
    let work = move |count: &AtomicU64| -> Result<Outcome, Ending> {
        let protect = protected(&state);
        let mut told = watch(&cancel, count);
        let mut watch = |event| {
            if event == Event::Step(Step::Checked) {
                // A repeat after a crash knows by it that it was this order which deleted the file.
                let _ = write_synced(&note, b"");
            }
            told(event)
        };
        let deleted = vault::delete(&id, &request, &protect, before, &mut watch);
        deleted.map(self::told).map_err(|error| unmoved(&error))
    };
    let outcome = thread::run(work, |bytes| job.progress(bytes, 0, "reading")).await??;
    Ok(Ending::done(&outcome))
}

fn before(job: &Job, note: &Path) -> Before {
    match (job.is_resumed(), note.exists()) {
        (false, _) => Before::Nothing,
        (true, false) => Before::Begun,
        (true, true) => Before::Checked,
    }
}

fn told(deleted: Deleted) -> Outcome {
    let probe = emptied(&deleted.path, deleted.is_gone);
    Outcome {
        path: deleted.path.to_string_lossy().into_owned(),
        content: deleted.content.map(|content| Content {
            size: content.size,
            sha1: hex(&content.sha1),
            sha256: hex(&content.sha256),
        }),
        lifted: deleted.lifted,
        links_left: deleted.links_left,
        other_names: deleted.other_names,
        running: running(deleted.runs),
        probes: vec![probe],
    }
}
