//! A confined process for hostile bytes, and the line to it.
//!
//! The parent starts its own binary again ([`Worker::start`]), hands it descriptors and questions, and reads answers. The
//! worker ([`serve`]) confines itself before it reads the first of them. Whatever becomes of it, the parent sees an
//! error of this one worker: it crashed, it took too much memory or time, it sent what nobody can read. The end of a
//! [`Worker`] is the end of its process.

mod child;
mod frame;
mod parent;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub use child::{Channel, Request, serve};
pub use frame::{MOST_BYTES, MOST_DESCRIPTORS};
pub use parent::Worker;

/// What ends in [`serve`].
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

impl Launcher {
    /// This program again, as `worker <kind>`. By `/proc/self/exe`, so that it is the very same file even while an
    /// update is replacing it.
    pub fn own(kind: &str) -> Self {
        Self { program: "/proc/self/exe".into(), args: vec!["worker".into(), kind.into()] }
    }
}

/// Why a worker gave no answer. It is gone.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It was not started.
    #[error("the confined worker was not started")]
    Start(#[source] io::Error),
    /// It could not be confined, so it did not begin.
    #[error("the worker could not be confined: {0}")]
    Unconfined(String),
    /// It ended by itself or by a signal.
    #[error("the confined worker ended: {how}")]
    Crashed {
        /// `exit code N` or the signal, and its last words.
        how: String,
        /// The signal, where one ended it.
        signal: Option<i32>,
    },
    /// It reached its limit of memory.
    #[error("the confined worker needed more than {limit} bytes of memory")]
    Memory {
        /// Bytes allowed.
        limit: u64,
    },
    /// It gave no answer in time, or used up its processor time.
    #[error("the confined worker gave no answer within {limit:?}")]
    Time {
        /// Time allowed.
        limit: Duration,
    },
    /// It was ended as asked.
    #[error("the confined worker was ended as asked")]
    Canceled,
    /// It sent what is no answer.
    #[error("the confined worker sent what is no answer: {0}")]
    Garbled(String),
    /// The line to it broke on this side.
    #[error("cannot talk to the confined worker")]
    Line(#[source] io::Error),
}

impl Failure {
    /// A stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Start(_) => "worker_not_started",
            Self::Unconfined(_) => "worker_unconfined",
            Self::Crashed { .. } => "worker_crashed",
            Self::Memory { .. } => "worker_memory",
            Self::Time { .. } => "worker_time",
            Self::Canceled => "canceled",
            Self::Garbled(_) => "worker_garbled",
            Self::Line(_) => "worker_line",
        }
    }
}
