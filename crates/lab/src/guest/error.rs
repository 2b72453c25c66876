//! What can go wrong around a guest.

use std::io;
use std::time::Duration;

/// Why there is no guest, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This machine lacks something that a guest needs; a test says so and is skipped.
    #[error("no QEMU guest here: {reason}; {hint}")]
    Unavailable {
        /// What is absent.
        reason: String,
        /// How to get it.
        hint: String,
    },
    /// The caller asked for something that cannot be put into a guest.
    #[error("cannot be given to a guest: {0}")]
    Invalid(String),
    /// Files, processes or sockets of this machine.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program that makes the guest's parts, or QEMU itself, ended badly.
    #[error("{program} failed: {said}")]
    Failed {
        /// The program.
        program: String,
        /// The end of what it printed; for QEMU also the end of the guest's console.
        said: String,
    },
    /// The guest or QEMU did not answer in time.
    #[error("{what} took longer than {limit:?}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        limit: Duration,
    },
    /// The guest or QEMU said something that makes no sense here.
    #[error("unexpected answer: {0}")]
    Protocol(String),
}

/// Turns a system error into [`Error::Io`]: `.map_err(io_error("reading x"))`.
pub(super) fn io_error(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    let what = what.into();
    move |source| Error::Io { what, source }
}
