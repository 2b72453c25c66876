//! Records of other security products, read into one neutral event.
//!
//! What a product writes is told by a *pack*: a small file of YAML that says which records count and where in a record each field
//! of the event stands. The products that are known from the start are packs in that very language; a tenant may bring its own.
//!
//! Invariants: no I/O, no clock; a body is bounded in bytes, records, depth and values before memory is taken for it; every record
//! becomes an event, is skipped, or is refused on its own; every text of an event is bounded; reading takes time proportional to
//! record and pack, and both are bounded.

mod builtin;
mod condition;
mod event;
mod expression;
mod field;
mod frame;
mod group;
mod observable;
mod pack;
mod path;
mod read;
mod refused;
mod template;
mod time;
mod value;
mod yaml;

pub use event::{
    Container, Endpoint, Event, File, Network, Observable, ObservableKind, Parent, Process, Remark, Rule,
    Severity, User, Verdict,
};
pub use pack::{MOST_BYTES, Pack};
pub use read::{Limits, Read};
pub use refused::{Reason, Refused};
pub use yaml::Problem;
