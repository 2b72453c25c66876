//! The worker that takes the memory of a process into its archive.
//!
//! It has the agent's own rights, for it stops threads and writes the archive. It is a process of its own because a page
//! may be another's to bring: of a file that a program of any user's serves. Then this process waits in the kernel, where
//! nothing ends it, and the agent leaves it to itself; its threads that hold the target end when it is killed, so the target
//! runs on.

use std::ffi::OsStr;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quell_host::confine::Limits;
use quell_host::core::{self, Archived, Error as CoreError, Options};
use quell_host::file::Password;
use quell_host::process::{Error as ProcessError, Identity, Protection};
use quell_host::worker::{Channel, Failure, Launcher, Worker};
use serde::{Deserialize, Serialize};

use crate::runner::chain;
use crate::transfer::is_full;

/// Without any word from the worker. It speaks for every piece that it read; only what is mapped and which pages exist
/// takes longer.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two words about how far it is.
const TELL: Duration = Duration::from_millis(200);

#[derive(Serialize, Deserialize)]
struct Question {
    identity: Identity,
    options: Options,
    password: Vec<u8>,
    spool: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Read(u64, u64),
    Done(Box<Archived>),
    Failed(Trouble),
}

/// Why there is no archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Trouble {
    /// It was not begun, or nothing of it is left.
    pub is_refusal: bool,
    /// A stable code.
    pub code: String,
    /// In words, with what to do about it.
    pub message: String,
}

/// Why there is no archive. Nothing of it is left on the disk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The worker said why.
    #[error(transparent)]
    Said(Trouble),
    /// The caller wanted no more.
    #[error("stopped after {at} bytes, as asked")]
    Stopped {
        /// Bytes read until then.
        at: u64,
    },
    /// Memory that does not come.
    #[error(
        "a part of its memory did not come within {} s: it may be mapped from a file system that does not answer; the \
         process runs on",
        PATIENCE.as_secs()
    )]
    Stuck,
    /// The worker is gone.
    #[error(transparent)]
    Failed(Failure),
}

/// Dumps a process into an encrypted archive. `progress` is told the bytes read and the bytes in all, `stop` asked all the
/// time. For a thread that may block.
pub fn dump(
    launcher: &Launcher,
    identity: Identity,
    options: &Options,
    password: &Password,
    spool: &Path,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    stop: &dyn Fn() -> bool,
) -> Result<Archived, Error> {
    // To the worker this process is one like any other.
    if Identity::own().is_ok_and(|own| own == identity) {
        let own = ProcessError::Protected { pid: identity.pid, why: Protection::Caller };
        return Err(Error::Said(trouble(&own.into())));
    }
    let question = Question {
        identity,
        options: *options,
        password: password.bytes().to_vec(),
        spool: spool.as_os_str().as_bytes().to_vec(),
    };
    let dumped = asked(launcher, &question, progress, stop);
    if !matches!(dumped, Ok(_) | Err(Error::Said(_))) {
        let _ = std::fs::remove_file(spool);
    }
    dumped
}

fn asked(
    launcher: &Launcher,
    question: &Question,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    stop: &dyn Fn() -> bool,
) -> Result<Archived, Error> {
    let mut at = 0;
    let failed = |failure, at| match failure {
        Failure::Canceled => Error::Stopped { at },
        Failure::Time { .. } => Error::Stuck,
        failure => Error::Failed(failure),
    };
    let mut worker = Worker::start(launcher, Limits::default()).map_err(Error::Failed)?;
    let body = serde_json::to_vec(question).map_err(|error| Error::Failed(Failure::Line(error.into())))?;
    worker.send(&body, &[], PATIENCE, stop).map_err(|failure| failed(failure, 0))?;
    loop {
        let said = worker.receive(PATIENCE, stop).map_err(|failure| failed(failure, at))?;
        match serde_json::from_slice(&said) {
            Ok(Said::Read(read, all)) => {
                at = read;
                if progress(read, all).is_break() {
                    return Err(Error::Stopped { at });
                }
            }
            Ok(Said::Done(archived)) => return Ok(*archived),
            Ok(Said::Failed(trouble)) => return Err(Error::Said(trouble)),
            Err(error) => return Err(Error::Failed(worker.reject(error.to_string()))),
        }
    }
}

pub(super) fn work(channel: &mut Channel) -> io::Result<()> {
    while let Some(request) = channel.receive()? {
        let Question { identity, options, password, spool } = serde_json::from_slice(&request.body)?;
        let spool = PathBuf::from(OsStr::from_bytes(&spool));
        let password = Password::new(password).map_err(io::Error::other)?;
        let mut told: Option<Instant> = None;
        let mut progress = |read, all| {
            if told.is_none_or(|told| told.elapsed() >= TELL) {
                told = Some(Instant::now());
                if tell(channel, &Said::Read(read, all)).is_err() {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        };
        let said = match core::dump_to_archive(identity, &options, &password, &spool, &mut progress) {
            Ok(mut archived) => {
                // As text travels; nobody opens it by this name.
                archived.dumped.exe = archived.dumped.exe.to_string_lossy().into_owned().into();
                Said::Done(Box::new(archived))
            }
            Err(error) => Said::Failed(trouble(&error)),
        };
        tell(channel, &said)?;
    }
    Ok(())
}

fn tell(channel: &mut Channel, said: &Said) -> io::Result<()> {
    channel.send(&serde_json::to_vec(said)?)
}

/// A stable code and a hint for everything that can be in the way.
fn trouble(error: &CoreError) -> Trouble {
    let failed = |code: &str| Trouble { is_refusal: false, code: code.to_owned(), message: chain(error) };
    let (code, hint) = match error {
        CoreError::Process(ProcessError::Reused { .. }) => {
            ("pid_reused", "the process that was meant has ended; look it up anew")
        }
        CoreError::Process(ProcessError::NoSuchProcess { .. }) => {
            ("process_gone", "the process has ended, and its memory with it")
        }
        CoreError::Process(ProcessError::Zombie { .. }) => ("is_zombie", "its memory is gone already"),
        CoreError::Process(ProcessError::Protected { .. }) => {
            ("protected", "the agent does not dump its own memory: it holds its keys")
        }
        CoreError::Process(ProcessError::Denied { .. }) => {
            ("permission", "the agent's user, or a security module of the system, may not read it")
        }
        CoreError::Process(_) => ("process_unreadable", "see the system's answer above"),
        CoreError::Kernel { .. } => ("is_kernel_thread", "name a process of a user"),
        CoreError::TooLarge { .. } => {
            ("too_large", "raise `max_bytes` if it is really wanted, or leave out `mapped_files`")
        }
        CoreError::Layout(_) => ("layout_unreadable", "see the system's answer above"),
        CoreError::Ended { .. } => return failed("process_ended"),
        CoreError::Write(source) if is_full(source) => return failed("disk_full"),
        // Canceled: the line to the agent broke.
        CoreError::Write(_) | CoreError::Canceled { .. } => return failed("archive_failed"),
    };
    Trouble { is_refusal: true, code: code.to_owned(), message: format!("{}; {hint}", chain(error)) }
}
