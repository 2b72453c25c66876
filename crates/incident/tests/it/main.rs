//! Incidents as they happen: whole chains, built by hand or at random, and everything that is said of them.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod cut;
mod export;
mod hostile;
mod join;
mod offer;
mod scene;
mod stories;
mod view;
