//! What can be done: every action, declared once.
//!
//! An action is a parameter struct, an outcome struct and one [`Spec`], together in one file
//! `<group>/<verb>.rs`. Its name stands once more, in [`list`]. REST validation, OpenAPI, the command
//! line, permissions, audit text and documentation are all derived from that list, never written beside it.
//!
//! Invariants: no I/O, no async, no clock; nothing of ours is imported here; a match over [`ActionKind`]
//! has no wildcard, so that the compiler names every place that a new action must fill.

mod action;
pub mod archive;
pub mod blocklist;
pub mod endpoint;
pub mod evidence;
pub mod file;
pub mod library;
mod list;
pub mod process;
pub mod protection;
pub mod rows;
mod schema;
mod spec;
mod text;

pub use action::{Action, CheckError, Declared, Observed, Requesters, StoredArtifact, Undo, Verdict};
pub use list::ActionKind;
pub use schema::object_schema;
pub use spec::{
    AGENTS, Effect, Exclusion, ManagedServices, OnCrash, OnFailure, Risk, Runner, Secret, Spec, Standing,
    System, TargetKind, TimeLimit,
};
pub use text::{PathText, is_clean_text};
