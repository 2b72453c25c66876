//! The certificate authority of one installation, and the identities that it gives.
//!
//! A small authority of our own, because agents must trust this server and no other, whatever roots their
//! machine carries: an agent pins the SHA-256 of [`Authority::certificate`] at enrolment. Certificates of agents
//! are short-lived, but their end is not what revokes them: every connection looks the endpoint up.
//!
//! No clock in here: the time is passed in, microseconds since 1970.

mod authority;
mod csr;
mod identity;
pub(crate) mod private_file;
mod rotating;
pub mod token;

pub use authority::{Authority, IssueError, Issued};
pub use csr::{CsrError, check as check_csr};
pub use identity::{PeerError, PeerIdentity};
pub use private_file::{PrivateFileError, read as read_private, read_or_create as read_or_create_private};
pub use rotating::GatewayCertificate;

use std::path::PathBuf;

/// The authority could not be opened, or could not issue.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the authority could not be read or written.
    #[error("the certificate authority's file {path} failed")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The private key may be read by others, or its file is not acceptable.
    #[error(transparent)]
    Private(#[from] PrivateFileError),
    /// One half of the authority is there and the other is not, or the halves do not fit.
    #[error(
        "{path} does not fit the other half of the certificate authority; restore both files from one backup, or agents must enrol anew"
    )]
    Halves {
        /// The half that is missing or differs.
        path: PathBuf,
    },
    /// A certificate could not be made.
    #[error("the certificate could not be made")]
    Issue(#[from] rcgen::Error),
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Random,
    /// TLS refuses the certificate that was made.
    #[error("TLS refuses the certificate")]
    Tls(#[from] rustls::Error),
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
