//! The endpoint agent: takes signed orders over one outgoing connection, checks each for itself, writes it down,
//! carries it out once and proves what came of it.
//!
//! - [`link`] keeps the line to the gateway, [`dial`] makes every connection, [`tls`] decides whom to believe.
//! - [`runner`] takes an order from the wire to its signed outcome, [`journal`] remembers it over any death.
//! - [`action`] holds one handler per action, [`isolation`] the network cut and all that may go wrong with it.
//! - [`identity`], [`enrol`], [`state`] are who the agent is and where that is kept.
//!
//! Invariants: nothing is done before it is written down and synced; no order is carried out twice; what the
//! operating system is asked to do goes through `quell-host`; no clock is read but [`clock`].

pub mod action;
pub mod agent;
pub mod backoff;
#[cfg(target_os = "linux")]
pub mod blocklist;
pub mod clock;
pub mod control;
pub mod dial;
pub mod enrol;
pub mod facts;
#[cfg(target_os = "linux")]
pub mod guard;
pub mod identity;
pub mod isolation;
pub mod journal;
pub mod link;
pub mod outbox;
pub mod protection;
pub mod proxy;
pub mod random;
mod ready;
#[cfg(target_os = "linux")]
pub mod recorder;
pub mod request;
pub mod rows;
pub mod runner;
mod shell;
pub mod state;
pub mod tls;
pub mod transfer;
#[cfg(target_os = "linux")]
pub mod worker;

pub use agent::{Agent, Setup};

/// Version of the agent.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
