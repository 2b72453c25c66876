//! Rules on files and memory; beside Debian's `yara` where it is installed.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod compile;
mod corpus;
mod parity;
mod scan;
