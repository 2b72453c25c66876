//! What forensic evidence is: definitions that say what to look for (the public ForensicArtifacts YAML format), and
//! archives that hold what was found, with their manifest.
//!
//! Invariants: no I/O, no clock; whatever is read here is bounded in bytes, depth and count before memory is taken for
//! it, for definitions are imported from anywhere and archives are written by endpoints that may be hostile.

pub mod archive;
mod command;
mod definition;
mod manifest;
mod name;
mod pack;
mod pattern;
mod resolve;
mod seal;
pub mod yaml;

pub use command::{Program, allowed, programs};
pub use definition::{Definition, MOST_BYTES, Set, Source, SourceKind, parse};
pub use manifest::{
    Budgets, CommandRow, FORMAT, FileRow, Host, MANIFEST, MOST_MANIFEST, Manifest, MissedRow, Times, Totals,
};
pub use name::Names;
pub use pack::{DEFAULT_ARTIFACT, LINUX, linux};
pub use pattern::{Knowledge, Part, Pattern, Segment, User, expand};
pub use resolve::{Missed, Plan, Step, System, resolve};
pub use seal::sealed;
pub use yaml::Error;
