//! What an investigation kit is: steps in order (scripts, tools, queries, rules, evidence) with the files that they need,
//! as one signed file.
//!
//! A kit is an envelope ([`sign`], [`open`]) around a gzip of a plain tar archive ([`pack`], [`Kit::read`], [`each`]) whose
//! `kit.yaml` says the steps. Server, agent and command line read it with the same code.
//!
//! Invariants: no I/O, no clock; nothing is unpacked before its signature holds, and whatever is unpacked is bounded in
//! count, size, ratio and names while it comes, for a kit goes where it runs as root.

mod archive;
mod envelope;
mod fields;
mod kit;
mod steps;

pub use archive::{Entry, MOST_FILES, MOST_UNPACKED, Name, each, pack};
pub use envelope::{MOST_BYTES, Signed, open, sign};
pub use kit::{File, Kit, MANIFEST};
pub use steps::{Asked, Interpreter, MOST_SECONDS, MOST_STEPS, Manifest, OnFailure, Step, Work};

/// Why something is no kit that may run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not begin as a kit does.
    #[error("it is no signed kit: `quell kit sign` makes one of a folder")]
    Unsigned,
    /// It is longer than a kit may be, or unpacks to more.
    #[error("{0}")]
    TooLarge(String),
    /// It is no archive, or one of a kind that is not taken.
    #[error("{0}")]
    Archive(String),
    /// An entry that may not be in a kit.
    #[error("{name:?} may not be in a kit: {why}")]
    Entry {
        /// As the archive names it.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// The steps cannot be read.
    #[error("kit.yaml: {0}")]
    Manifest(quell_evidence::yaml::Error),
    /// A step names a file that is not there.
    #[error("step {step:?} names {file:?}, which is not in the kit")]
    Missing {
        /// The step.
        step: String,
        /// The file.
        file: String,
    },
}

impl Error {
    /// A stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsigned => "kit_unsigned",
            Self::TooLarge(_) => "kit_too_large",
            Self::Archive(_) => "kit_malformed",
            Self::Entry { .. } => "kit_entry_refused",
            Self::Manifest(_) => "kit_manifest",
            Self::Missing { .. } => "kit_file_missing",
        }
    }

    /// Where in `kit.yaml`, from 1; zeros where it is about the whole.
    pub const fn place(&self) -> (usize, usize) {
        match self {
            Self::Manifest(error) => (error.line, error.column),
            Self::Unsigned
            | Self::TooLarge(_)
            | Self::Archive(_)
            | Self::Entry { .. }
            | Self::Missing { .. } => (0, 0),
        }
    }

    /// What to do about it; empty where nothing can be said.
    pub fn hint(&self) -> &str {
        match self {
            Self::Manifest(error) => &error.hint,
            Self::Unsigned
            | Self::TooLarge(_)
            | Self::Archive(_)
            | Self::Entry { .. }
            | Self::Missing { .. } => "",
        }
    }
}

#[cfg(test)]
mod tests;
