//! Tests of the engine over a real SQLite file, with agents that check and sign as real ones do.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

pub(crate) mod crash;
mod life;
mod machine;
mod parts;
mod refusal;
mod session;
mod timing;
mod world;
