//! `file.collect` on this endpoint: one pass over the file into an encrypted spool, then the spool to the gateway.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quell_catalog::PathText;
use quell_catalog::file::collect::{Outcome, Params};
use quell_host::file::{self, Collected, Kind, Limits, Opened};
use quell_host::process::{Error as ProcessError, Identity};
use quell_wire::digest::hex;
use serde::{Deserialize, Serialize};

use super::archive::{disk_full, password, send, untransferred, watch};
use super::{Endpoint, thread};
use crate::runner::{Ending, Job, chain};
use crate::transfer::{Sealed, Spool, is_full};

/// What is known of a file that was collected.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct About {
    path: String,
    size: u64,
    sha1: String,
    sha256: String,
    modified_us: i64,
    uid: u32,
    mode: u32,
    changed: bool,
}

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    carried(endpoint, job).await.unwrap_or_else(|ending| ending)
}

async fn carried(endpoint: &Endpoint, job: &Job) -> Result<Ending, Ending> {
    let params: Params = job.params()?;
    let directory =
        endpoint.work_directory(job).map_err(|error| Ending::refused("spool_failed", chain(&error)))?;
    let spool = Spool::within(&directory);
    let sealed = match spool.sealed::<About>().map_err(|error| untransferred(&error))? {
        Some(sealed) => sealed,
        None => collect(job, &params, &spool).await?,
    };
    let archive = send(endpoint, job, &spool, &sealed).await.map_err(|error| untransferred(&error))?;
    let About { path, size, sha1, sha256, modified_us, uid, mode, changed } = sealed.about;
    let changed_while_reading = changed;
    Ok(Ending::done(&Outcome {
        path,
        size,
        sha1,
        sha256,
        modified_us,
        uid,
        mode,
        changed_while_reading,
        archive,
    }))
}

async fn collect(job: &Job, params: &Params, spool: &Spool) -> Result<Sealed<About>, Ending> {
    let password = password(job).await?;
    let source = Source::of(params)?;
    let limits = Limits { size: params.max_bytes, follow: params.follow_links, pseudo: false };
    let (cancel, place) = (job.cancel.clone(), spool.clone());
    // The size is not known before the file is open; 0 says so.
    let total = Arc::new(AtomicU64::new(0));
    let known = total.clone();
    let work = move |count: &AtomicU64| -> Result<Sealed<About>, Ending> {
        let opened = source.open(limits).map_err(|error| uncollected(&error))?;
        let mut about = facts(&opened);
        known.store(opened.stat.size, Ordering::Relaxed);
        let path = place.path();
        let collected = file::collect_to_file(opened, &password, &path, watch(&cancel, &path, count))
            .map_err(|error| match (&error, cancel.is_asked()) {
                (file::Error::Canceled { at }, false) => disk_full(*at),
                _ => uncollected(&error),
            })?;
        complete(&mut about, &collected);
        let sealed = Sealed { size: collected.archive_size, sha256: collected.archive_sha256, about };
        place.seal(&sealed).map_err(|error| untransferred(&error))?;
        Ok(sealed)
    };
    thread::run(work, |read| job.progress(read, total.load(Ordering::Relaxed), "reading")).await?
}

/// How the file is named.
enum Source {
    Path(PathBuf),
    Executable(Identity),
    Descriptor(Identity, u32),
}

impl Source {
    fn of(params: &Params) -> Result<Self, Ending> {
        let path = PathText::from_fields(params.path.as_deref(), params.path_hex.as_deref())
            .map_err(|error| Ending::refused("path_refused", error.to_string()))?;
        if let Some(path) = path {
            return Ok(Self::Path(OsString::from_vec(path.as_bytes().to_vec()).into()));
        }
        match (params.pid, params.start_time, params.descriptor) {
            (Some(pid), Some(start_time), None) => Ok(Self::Executable(Identity { pid, start_time })),
            (Some(pid), Some(start_time), Some(held)) => {
                Ok(Self::Descriptor(Identity { pid, start_time }, held))
            }
            _ => Err(Ending::refused("params_invalid", "neither a path nor a process names the file")),
        }
    }

    fn open(&self, limits: Limits) -> Result<Opened, file::Error> {
        match self {
            Self::Path(path) => file::open_for_collect(path, limits),
            Self::Executable(process) => file::open_executable(*process, limits),
            Self::Descriptor(process, held) => file::open_descriptor(*process, *held, limits),
        }
    }
}

fn facts(opened: &Opened) -> About {
    let (seconds, nanoseconds) = opened.stat.mtime;
    About {
        path: opened.resolved.to_string_lossy().into_owned(),
        size: 0,
        sha1: String::new(),
        sha256: String::new(),
        modified_us: seconds.saturating_mul(1_000_000).saturating_add(i64::from(nanoseconds / 1000)),
        uid: opened.stat.uid,
        mode: opened.stat.mode & 0o7777,
        changed: false,
    }
}

fn complete(about: &mut About, collected: &Collected) {
    about.size = collected.size;
    about.sha1 = hex(&collected.sha1);
    about.sha256 = hex(&collected.sha256);
    about.changed = collected.changed_while_reading.is_some();
}

/// A stable code and a hint for everything that a path can lead to.
fn uncollected(error: &file::Error) -> Ending {
    let (code, hint) = match error {
        file::Error::Path(_) => ("path_refused", "name the file by its plain absolute path"),
        file::Error::NotFound => {
            ("not_found", "check the path; a deleted file that a process still holds is named by the process")
        }
        file::Error::Symlink { .. } => {
            ("is_symlink", "name the file that it points to, or set `follow_links`")
        }
        file::Error::ForeignLink { .. } => {
            ("foreign_link", "name the file itself: whoever made the link may not be able to read that file")
        }
        file::Error::Own => ("protected", "the agent's state holds its keys, and is collected by no action"),
        file::Error::NotRegular(kind) => not_regular(*kind),
        file::Error::Pseudo => {
            ("is_pseudo", "such content has no size and changes at every look; collect it by a script")
        }
        file::Error::TooLarge { .. } => ("too_large", "raise `max_bytes` if it is really wanted"),
        file::Error::Process(ProcessError::Reused { .. }) => {
            ("pid_reused", "the process that was meant has ended")
        }
        file::Error::Process(ProcessError::NoSuchProcess { .. }) => {
            ("process_gone", "the process has ended, and what it held with it")
        }
        file::Error::Process(_) => ("process_unreadable", "see why above"),
        file::Error::NotHeld => ("not_held", "list the process's open files and name one of them"),
        file::Error::Open(source) if source.kind() == std::io::ErrorKind::PermissionDenied => {
            ("permission", "the agent's user, or a security module of the system, may not read it")
        }
        file::Error::Open(_) => ("open_failed", "see the system's answer above"),
        file::Error::Password => ("no_password", "the order carries no usable password for the archive"),
        file::Error::Canceled { at } => {
            return Ending::canceled(format!("canceled after {at} bytes were read; nothing was sent"));
        }
        file::Error::Read { .. } => return Ending::failed("read_failed", chain(error)),
        file::Error::Archive(source) if is_full(source) => return Ending::failed("disk_full", chain(error)),
        file::Error::Archive(_) => return Ending::failed("archive_failed", chain(error)),
    };
    Ending::refused(code, format!("{}; {hint}", chain(error)))
}

fn not_regular(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Directory => ("is_directory", "name one file in it"),
        Kind::Fifo => ("is_fifo", "a pipe has no content of its own"),
        Kind::Socket => ("is_socket", "a socket has no content of its own"),
        Kind::Device => ("is_device", "a device is read by an image tool, not collected"),
        Kind::Symlink => ("is_symlink", "name the file that it points to, or set `follow_links`"),
        Kind::Other => ("is_no_file", "it is an object of the kernel"),
    }
}

#[cfg(test)]
mod tests {
    use quell_wire::Status;

    use super::*;

    #[test]
    fn what_was_not_begun_is_refused_and_says_what_to_do() {
        let ending = uncollected(&file::Error::NotRegular(Kind::Fifo));
        assert_eq!((ending.status, ending.code.as_str()), (Status::Refused, "is_fifo"));
        let ending = uncollected(&file::Error::TooLarge { size: 9, limit: 5 });
        assert_eq!(ending.code, "too_large");
        assert!(ending.message.contains("max_bytes"), "{}", ending.message);
        let broken = file::Error::Read { at: 7, source: std::io::ErrorKind::Other.into() };
        assert_eq!(uncollected(&broken).status, Status::Failed);
        assert_eq!(uncollected(&file::Error::Canceled { at: 7 }).status, Status::Canceled);
    }
}
