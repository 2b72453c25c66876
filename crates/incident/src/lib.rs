//! Judges incidents: which detections belong together, what may be done about each activity event, what would end it all,
//! and how it is told to others.
//!
//! Pure: no I/O, no clock, no randomness; the same input gives the same answer to the byte. All input is what endpoints told,
//! so all functions are total: nothing that is stored makes one fail, loop or grow beyond the limits of `quell_wire::limits`.

pub mod attack;
pub mod chain;
pub mod cut;
pub mod export;
pub mod join;
pub mod offer;
pub mod setting;
pub mod summary;
pub mod system;
pub mod tell;
pub mod text;

pub use chain::{Chain, Object, ObjectKind, View};
pub use setting::{Endpoint, Setting, Told};
