//! Tests of the engine over a real SQLite file, with agents that check and sign as real ones do.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod approval;
pub(crate) mod crash;
mod life;
mod machine;
mod many;
mod parts;
#[path = "../../store/tests/it/postgres.rs"]
mod postgres;
mod race;
mod refusal;
mod response;
mod session;
mod signing;
mod stress;
mod timing;
mod trust;
mod turn;
mod undo;
mod unknown;
mod world;
