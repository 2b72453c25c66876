//! The binary as people use it: a real server, real sockets, real exit statuses.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod approvals;
mod audit;
#[cfg(target_os = "linux")]
mod demo;
#[cfg(target_os = "linux")]
mod notices;
mod operate;
mod people;
mod program;
#[cfg(target_os = "linux")]
mod signer;
#[cfg(target_os = "linux")]
mod sso;
mod trust;
