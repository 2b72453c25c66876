//! Tests of the engine over a real SQLite file.
pub(crate) mod crash;
