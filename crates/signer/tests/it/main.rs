//! The signer as a server meets it: real files, real sockets, and orders that somebody changed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod admin;
mod client;
mod journal;
mod refusal;
mod socket;
mod world;
