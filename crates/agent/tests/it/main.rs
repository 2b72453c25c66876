//! The agent against a gateway of the tests: real TLS, real files, the real binary, and for the isolation a real
//! kernel in network namespaces of the tests' own.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod collect;
mod enrol;
mod files;
mod gateway;
mod idle;
mod isolate;
mod orders;
mod osquery;
mod process;
mod protection;
mod proxy;
mod recorder;
mod recorder_clock;
mod recorder_load;
mod recorder_logins;
mod recorder_shapes;
mod script;
mod terminate;
mod trust;
mod worker;
mod world;
