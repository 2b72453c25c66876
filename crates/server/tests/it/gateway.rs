//! The agents' port over real TLS, with a real database, against a client written by hand on the protocol crate.

#![expect(clippy::expect_used, reason = "a test that waits says for what")]

pub mod agent;
pub mod chain;
mod closing;
mod copy;
mod deliver;
mod enrol;
mod hostile;
mod joining;
mod rig;
mod room;
mod session;
mod upload;
