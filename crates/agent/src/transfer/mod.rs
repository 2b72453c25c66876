//! Files on their way to and from the gateway: plain HTTP beside the session, continued where it broke off.
//!
//! A broken way is tried again, with growing pauses, for as long as the order lasts. What the gateway answers
//! decides the rest: some answers ask for patience, the others are final.

mod download;
mod given;
mod line;
mod pieces;
mod spool;
mod upload;

use std::sync::Arc;
use std::time::Duration;

pub use download::library;
pub use given::given;
use http::StatusCode;
pub use spool::{Sealed, Spool};
pub use upload::{Upload, upload};

use crate::backoff::Backoff;
use crate::dial::Dialer;
use crate::identity::Identity;
use crate::request;
use crate::runner::{Cancel, chain};
use crate::state;

/// Why a file did not go through.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The order was to stop.
    #[error("stopped, as asked")]
    Canceled,
    /// The gateway said no, and will say it again.
    #[error("the server refused: {message} ({code}, status {status})")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// Its code.
        code: String,
        /// Its sentence.
        message: String,
    },
    /// What arrived is not what was named.
    #[error("what the server sent is not what the order names: its SHA-256 differs")]
    Digest,
    /// The gateway's answers make no sense.
    #[error("the server's answer makes no sense: {0}")]
    Protocol(&'static str),
    /// Not through in the time given.
    #[error("not through in {} s; the last try: {last}", limit.as_secs())]
    Time {
        /// The time given.
        limit: Duration,
        /// Why the last try failed.
        last: String,
    },
    /// A file here.
    #[error("cannot {what}")]
    File {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The state directory.
    #[error(transparent)]
    State(#[from] state::Error),
}

impl Error {
    pub(crate) fn file(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { what, source }
    }

    /// A stable code for outcomes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Canceled => "canceled",
            Self::Refused { .. } => "transfer_refused",
            Self::Digest => "digest_differs",
            Self::Protocol(_) => "transfer_protocol",
            Self::Time { .. } => "transfer_time_limit",
            Self::File { source, .. } if is_full(source) => "disk_full",
            Self::File { .. } | Self::State(_) => "spool_failed",
        }
    }
}

/// Bytes that the file system on which this lies has left. `None` where it does not say.
pub(crate) fn free(path: &std::path::Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether the disk is full, or this user's part of it.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

/// How one try failed.
enum Failure {
    /// Another try may succeed; seconds that the gateway asked to wait.
    Again(String, Option<u32>),
    /// No other try will.
    Final(Error),
}

impl From<request::Error> for Failure {
    fn from(error: request::Error) -> Self {
        Self::Again(chain(&error), None)
    }
}

/// The way to the gateway.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Makes connections.
    pub dialer: Arc<Dialer>,
    /// Where to, and as whom.
    pub identity: Arc<Identity>,
}

/// Pauses after `why`, or stops where that is asked for.
async fn pause(backoff: &mut Backoff, why: &str, asked: Option<u32>, cancel: &Cancel) -> Result<(), Error> {
    let wait = match asked {
        Some(seconds) => backoff.asked(seconds),
        None => backoff.after_failure(),
    };
    tracing::debug!(why, wait_ms = wait.as_millis(), "a transfer pauses");
    tokio::select! {
        () = tokio::time::sleep(wait) => Ok(()),
        () = cancel.asked() => Err(Error::Canceled),
    }
}
