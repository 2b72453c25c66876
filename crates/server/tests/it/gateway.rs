//! The agents' port over real TLS, with a real database, against a client written by hand on the protocol crate.

mod agent;
mod copy;
mod enrol;
mod hostile;
mod rig;
mod session;
mod upload;
