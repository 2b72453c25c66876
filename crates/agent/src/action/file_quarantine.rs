//! `file.quarantine` on this endpoint, and what it shares with `file.restore` and `file.delete`: the vault, what is
//! protected, and what each refusal is called.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use quell_catalog::PathText;
use quell_catalog::evidence::Probe;
use quell_catalog::file::quarantine::{Outcome, Params, Running};
use quell_host::file::{Error as FileError, Kind};
use quell_host::process::Identity;
use quell_host::vault::{self, Error, Event, Protect, Request, Taken, Vault};
use quell_wire::digest::unhex;
use quell_wire::digest::{hex, sha256};

use super::{Endpoint, thread};
use crate::runner::{Cancel, Ending, Job, chain};
use crate::state::StateDir;
use crate::transfer::is_full;

/// The vault, within the state directory.
const VAULT: &str = "vault";

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let request = request(&params)?;
    let (state, cancel, id) = (endpoint.state.clone(), job.cancel.clone(), item(&job.order_id));
    let work = move |count: &AtomicU64| move_in(&state, &id, &request, &cancel, count);
    let outcome = thread::run(work, |bytes| job.progress(bytes, 0, "moving")).await??;
    Ok(Ending::done(&outcome))
}

/// Moves a file into this endpoint's vault under `id` (lower-case letters, digits and `-`, at most 64), for any action
/// that finds files which shall go. Blocks. `count` is told the bytes. Asked again with the same id, it finishes what an
/// earlier run of the agent began.
pub(crate) fn move_in(
    state: &StateDir,
    id: &str,
    request: &Request,
    cancel: &Cancel,
    count: &AtomicU64,
) -> Result<Outcome, Ending> {
    let (vault, protect) = (open(state)?, protected(state));
    let taken = vault::take(&vault, id, request, &protect, &mut watch(cancel, count));
    taken.map(|taken| outcome(id, taken)).map_err(|error| unmoved(&error))
}

/// This endpoint's vault.
pub(super) fn open(state: &StateDir) -> Result<Vault, Ending> {
    let directory =
        state.directory(VAULT).map_err(|error| Ending::refused("vault_unusable", chain(&error)))?;
    Vault::open(&directory).map_err(|error| unmoved(&error))
}

/// What the agent and the system stand on.
pub(super) fn protected(state: &StateDir) -> Protect {
    Protect::new(&[state.path()])
}

/// The item that an order makes: its own id, so that a repeat finds it.
fn item(order_id: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !order_id.is_empty() && order_id.len() <= 64 && order_id.bytes().all(is_plain) {
        return order_id.to_owned();
    }
    hex(&sha256(&[order_id.as_bytes()]))
}

/// The name of an order's private directory beside a file, and of its item.
pub(super) fn name(job: &Job) -> String {
    item(&job.order_id)
}

pub(super) fn request(params: &Params) -> Result<Request, Ending> {
    let invalid = |message: String| Ending::refused("params_invalid", message);
    let path = PathText::from_fields(params.path.as_deref(), params.path_hex.as_deref())
        .map_err(|error| Ending::refused("path_refused", error.to_string()))?
        .ok_or_else(|| invalid("nothing names the file".to_owned()))?;
    let hash = |name: &'static str| move || invalid(format!("`{name}` is no such hash"));
    let sha256 = params.sha256.as_ref().map(|text| unhex(text).ok_or_else(hash("sha256"))).transpose()?;
    let sha1 = params.sha1.as_ref().map(|text| unhex(text).ok_or_else(hash("sha1"))).transpose()?;
    Ok(Request {
        path: OsString::from_vec(path.as_bytes().to_vec()).into(),
        sha256,
        sha1,
        max_bytes: params.max_bytes,
        lift: params.lift_immutable,
    })
}

/// Tells the bytes, and stops at the order's cancel.
pub(super) fn watch<'a>(
    cancel: &'a Cancel,
    count: &'a AtomicU64,
) -> impl FnMut(Event) -> ControlFlow<()> + 'a {
    move |event| {
        if let Event::Bytes(bytes) = event {
            count.store(bytes, Ordering::Relaxed);
        }
        if cancel.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

pub(super) fn running(runs: Vec<Identity>) -> Vec<Running> {
    runs.into_iter().map(|Identity { pid, start_time }| Running { pid, start_time }).collect()
}

/// A look at the path by anybody's means, after the act.
pub(super) fn emptied(path: &Path, is_gone: bool) -> Probe {
    let found = std::fs::symlink_metadata(path);
    let is_absent = found.as_ref().is_err_and(|error| {
        matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
    });
    let after = match (is_absent, is_gone) {
        (true, true) => "nothing is there",
        (true, false) => "nothing is there now; something was, for a moment",
        (false, _) => "something is there again",
    };
    Probe {
        subject: path.to_string_lossy().into_owned(),
        method: "path looked up".to_owned(),
        before: Some("the file".to_owned()),
        after: after.to_owned(),
        held: is_absent,
        proves: true,
    }
}

fn outcome(id: &str, taken: Taken) -> Outcome {
    let (seconds, nanoseconds) = taken.modified;
    let probe = emptied(&taken.path, taken.is_gone);
    Outcome {
        vault_id: id.to_owned(),
        path: taken.path.to_string_lossy().into_owned(),
        size: taken.size,
        sha1: hex(&taken.sha1),
        sha256: hex(&taken.sha256),
        mode: taken.mode,
        uid: taken.uid,
        gid: taken.gid,
        modified_us: seconds.saturating_mul(1_000_000).saturating_add(i64::from(nanoseconds / 1000)),
        attributes: taken.attributes.into_iter().take(64).collect(),
        lifted: taken.lifted,
        links_left: taken.links_left,
        other_names: taken.other_names,
        running: running(taken.runs),
        probes: vec![probe],
    }
}

/// A stable code and a hint for everything that can be in the way. Nothing was changed, but where it says so.
pub(super) fn unmoved(error: &Error) -> Ending {
    let (code, hint) = match error {
        Error::File(error) => return unopened(error),
        Error::ThroughLink { .. } => ("through_symlink", "name the file there"),
        Error::Protected(_) => ("protected", "without it the endpoint could not be reached any more"),
        Error::MountPoint => ("is_mount_point", "unmount it first"),
        Error::ReadOnly => ("read_only", "the file system has to be writable for that"),
        Error::Immutable(_) => ("immutable", "set `lift_immutable` if it shall be moved all the same"),
        Error::Mismatch { .. } => ("hash_mismatch", "it was left as it is; look at it first"),
        Error::Changing => ("changing", "something writes to it; end that first"),
        Error::Swapped => ("swapped", "something exchanges the file; end that first"),
        Error::Stranded { .. } => return Ending::failed("swapped", chain(error)),
        Error::NoParent { .. } => ("parent_missing", "make the directory again, with the owner that it had"),
        Error::Exists { .. } => ("exists", "set `overwrite` to replace it, or move it away"),
        Error::NoItem => {
            ("no_such_item", "the outcome of `file.quarantine` names it; restored items are gone")
        }
        Error::Damaged(_) => ("vault_damaged", "nothing was restored"),
        Error::Vault(source) if is_full(source) => {
            ("disk_full", "the disk of the agent's state has no room for it; the file was left as it is")
        }
        Error::Vault(_) => ("vault_unusable", "see the system's answer above"),
        Error::Io { source, .. } if is_full(source) => ("disk_full", "nothing was changed"),
        Error::Io { .. } => ("move_failed", "see the system's answer above"),
    };
    Ending::refused(code, format!("{}; {hint}", chain(error)))
}

fn unopened(error: &FileError) -> Ending {
    let (code, hint) = match error {
        FileError::Path(_) => ("path_refused", "name the file by its plain absolute path"),
        FileError::NotFound => ("not_found", "check the path"),
        FileError::Symlink { .. } => ("is_symlink", "name the file that it points to"),
        FileError::NotRegular(Kind::Directory) => ("is_directory", "name one file in it"),
        FileError::NotRegular(Kind::Fifo) => ("is_fifo", "only regular files are moved"),
        FileError::NotRegular(Kind::Socket) => ("is_socket", "only regular files are moved"),
        FileError::NotRegular(Kind::Device) => ("is_device", "only regular files are moved"),
        FileError::NotRegular(_) => ("is_no_file", "only regular files are moved"),
        FileError::Pseudo => ("is_pseudo", "the kernel makes it up; it cannot be moved"),
        FileError::TooLarge { .. } => ("too_large", "raise `max_bytes` if it is really wanted"),
        FileError::Open(source) if source.kind() == std::io::ErrorKind::PermissionDenied => {
            ("permission", "the agent's user, or a security module of the system, may not")
        }
        FileError::Canceled { at } => {
            return Ending::canceled(format!("canceled after {at} bytes; the file is where it was"));
        }
        FileError::Read { .. } => return Ending::failed("read_failed", chain(error)),
        FileError::Process(_)
        | FileError::NotHeld
        | FileError::Open(_)
        | FileError::Archive(_)
        | FileError::Password
        | FileError::ForeignLink { .. }
        | FileError::Own => ("open_failed", "see the system's answer above"),
    };
    Ending::refused(code, format!("{}; {hint}", chain(error)))
}
