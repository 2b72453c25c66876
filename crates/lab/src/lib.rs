//! Endpoints made of namespaces on one machine, for the demonstration, tests and measurements.
//!
//! A [`Lab`] is a switch with a server's address, an [`Outside`] host and any number of endpoints on it, each with its
//! own network, processes, host name and disk. Nothing has a name on the machine: namespaces are held by descriptors
//! and processes of the lab, so all of it goes when the lab's process ends, even by SIGKILL, and many labs
//! run beside each other. The machine's own network is never touched: the server listens inside the lab by sockets that
//! are handed to it.

#[cfg(target_os = "linux")]
pub mod attack;
#[cfg(target_os = "linux")]
mod capture;
pub mod crowd;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod endpoint;
#[cfg(target_os = "linux")]
pub mod faults;
#[cfg(target_os = "linux")]
pub mod guest;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
pub mod mail;
#[cfg(target_os = "linux")]
pub mod oidc;
#[cfg(target_os = "linux")]
mod outside;
#[cfg(target_os = "linux")]
mod privilege;
#[cfg(target_os = "linux")]
pub mod receiver;
#[cfg(target_os = "linux")]
pub mod site;
#[cfg(target_os = "linux")]
pub mod swarm;
#[cfg(target_os = "linux")]
mod switch;
#[cfg(target_os = "linux")]
mod topology;

use std::io;

#[cfg(target_os = "linux")]
pub use capture::{Frame, Mark, Traffic};
#[cfg(target_os = "linux")]
pub use disk::Share;
#[cfg(target_os = "linux")]
pub use endpoint::{Finished, LabEndpoint};
#[cfg(target_os = "linux")]
pub use machine::Child;
#[cfg(target_os = "linux")]
pub use mail::MailSink;
#[cfg(target_os = "linux")]
pub use oidc::OidcProvider;
#[cfg(target_os = "linux")]
pub use outside::{DNS_PORT, ECHO_PORT, Outside, SINK_PORT};
#[cfg(target_os = "linux")]
pub use privilege::become_root;
#[cfg(target_os = "linux")]
pub use switch::{Addresses, Host};
#[cfg(target_os = "linux")]
pub use topology::{Lab, LabOptions};

/// Why a lab could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Namespaces need rights that this process has not.
    #[error("a lab needs root, or user namespaces: {0}")]
    Privilege(String),
    /// A program that the lab is made with is absent.
    #[error("{0} is not installed; install the package {1}")]
    Missing(&'static str, &'static str),
    /// `ip` refused a step.
    #[error("the lab's network could not be made: {0}")]
    Link(String),
    /// A name that cannot be a host name.
    #[error("{0:?} cannot be an endpoint's name: letters, digits and hyphens, at most 63")]
    Name(String),
    /// The lab is full.
    #[error("a lab holds at most 200 endpoints")]
    Full,
    /// An endpoint did not start.
    #[error("the endpoint did not start: {0}")]
    Boot(String),
    /// The endpoint is not running.
    #[error("the endpoint is not running")]
    Down,
    /// Something took longer than its limit.
    #[error("{0} did not end in time")]
    Timeout(String),
    /// The system refused a step.
    #[error("could not {0}")]
    System(&'static str, #[source] io::Error),
}

/// Names the step that failed.
#[cfg(target_os = "linux")]
fn failed<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> Error {
    move |source| Error::System(step, source.into())
}
