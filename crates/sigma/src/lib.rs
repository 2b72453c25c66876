//! Sigma rules: compiled within limits, matched over records of fields. Pure: no files, no clock, no threads.
//!
//! ```
//! use quell_sigma::{RuleSet, Scope};
//!
//! let rule = "
//! title: A shell that talks to the network
//! id: 5a4b6f0e-7d8c-4f2e-9a51-3c1d2e4f5a6b
//! level: high
//! logsource: {product: linux, category: process_creation}
//! detection:
//!   selection:
//!     CommandLine|contains: /dev/tcp/
//!   condition: selection
//! ";
//! let (set, problems) = RuleSet::compile(&[rule], &Scope::linux());
//! assert!(problems.is_empty());
//! let event = vec![("CommandLine".to_owned(), "bash -c 'cat < /dev/tcp/192.0.2.7/80'".to_owned())];
//! assert_eq!(set.matching("process_creation", &event).len(), 1);
//! ```
//!
//! # Why an engine of our own
//! An agent matches as root what anybody on the machine may write, so the engine must not outgrow what can be read and bounded.
//! Measured with 1,000 rules and one event of a build that hits nothing, on a virtual machine of two cores, release build:
//! rsigma-eval 0.23 took 67 µs for an event (73 µs with its Bloom filter) and 136 CPU seconds to build with 22 crates that were
//! not in the tree (pest, a translated libyaml, ciborium …), its next versions wanting a newer compiler; it hands values on as
//! UTF-8. sigma-rust 0.7 took 3,290 µs and 50 CPU seconds. This one took 6 µs (`cargo test -p quell-sigma --release
//! speed -- --nocapture` prints it), adds no crate to the tree, and refuses what it does not understand. Its verdicts are compared
//! with those of pySigma (`tests/it/parity.rs`). `docs/rules.md` says which part of Sigma is taken.

mod condition;
mod correlation;
mod correlator;
mod encode;
mod expression;
mod filter;
mod index;
pub mod limits;
mod modifier;
mod pack;
mod pattern;
mod problem;
mod record;
mod regular;
mod rule;
mod scope;
mod selection;
mod set;
mod shelf;
mod test;
mod value;
mod yaml;

pub use correlation::Correlation;
pub use correlator::Correlator;
pub use pack::PACK;
pub use problem::Problem;
pub use record::{Record, Value};
pub use rule::{Event, Level, Rule, Status, Tests};
pub use scope::Scope;
pub use set::{RuleSet, Size};
pub use shelf::Scratch;
