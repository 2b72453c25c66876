//! The agent against a gateway of the tests: real TLS, real files, the real binary, and for the isolation a real
//! kernel in network namespaces of the tests' own.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod enrol;
mod gateway;
mod isolate;
mod orders;
mod process;
mod world;
