//! `file.restore` on this endpoint. What it did is noted in its work directory before the item goes from the vault, so
//! that a repeat after a crash can still tell it.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use quell_catalog::evidence::Probe;
use quell_catalog::file::restore::{Outcome, Params};
use quell_host::vault::{self, Restored};
use quell_wire::digest::hex;

use super::file_quarantine::{open, unmoved, watch};
use super::{Endpoint, thread};
use crate::runner::{Cancel, Ending, Job, chain};
use crate::state::{StateDir, write_synced};

/// Within the work directory.
const NOTE: &str = "restored.json";

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let directory =
        endpoint.work_directory(job).map_err(|error| Ending::refused("spool_failed", chain(&error)))?;
    let (state, cancel, is_resumed) = (endpoint.state.clone(), job.cancel.clone(), job.is_resumed());
    let work =
        move |count: &AtomicU64| restore(&state, &params, &directory.join(NOTE), is_resumed, &cancel, count);
    let outcome = thread::run(work, |bytes| job.progress(bytes, 0, "restoring")).await??;
    Ok(Ending::done(&outcome))
}

fn restore(
    state: &StateDir,
    params: &Params,
    note: &Path,
    is_resumed: bool,
    cancel: &Cancel,
    count: &AtomicU64,
) -> Result<Outcome, Ending> {
    let vault = open(state)?;
    let noted = std::fs::read(note).ok().and_then(|bytes| serde_json::from_slice::<Outcome>(&bytes).ok());
    let outcome = if let Some(noted) = noted.filter(|_| is_resumed) {
        noted
    } else {
        let mut watch = watch(cancel, count);
        let restored = vault::restore(&vault, &params.vault_id, params.overwrite, is_resumed, &mut watch)
            .map_err(|error| unmoved(&error))?;
        let outcome = told(&params.vault_id, restored);
        let written = serde_json::to_vec(&outcome)
            .map_err(std::io::Error::from)
            .and_then(|bytes| write_synced(note, &bytes));
        // The file is back; only the item in the vault waits for another try.
        written.map_err(|error| Ending::failed("spool_failed", chain(&error)).with(&outcome))?;
        outcome
    };
    if outcome.differs.is_empty() {
        vault.discard(&params.vault_id).map_err(|error| unmoved(&error).with(&outcome))?;
    }
    Ok(outcome)
}

fn told(id: &str, restored: Restored) -> Outcome {
    let path = restored.path.to_string_lossy().into_owned();
    let bytes = restored.path.as_os_str().as_bytes();
    let is_text = path.as_bytes() == bytes;
    let after = if restored.differs.is_empty() { "as it was" } else { "there, and not quite as it was" };
    let probe = Probe {
        subject: path.clone(),
        method: "content, owner, mode, times, extended attributes and flags read back".to_owned(),
        before: Some("not there".to_owned()),
        after: after.to_owned(),
        held: restored.differs.is_empty(),
        proves: true,
    };
    Outcome {
        vault_id: id.to_owned(),
        path_hex: (!is_text).then(|| hex(bytes)),
        path,
        size: restored.size,
        sha1: hex(&restored.sha1),
        sha256: hex(&restored.sha256),
        replaced: restored.replaced,
        differs: restored.differs,
        links_then: restored.links_then,
        probes: vec![probe],
    }
}
