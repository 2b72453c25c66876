//! Repositories and migrations on SQLite and PostgreSQL; artifacts on object storage.
//!
//! Repository functions are plain synchronous functions over a [`Tx`]: `task::insert(tx, &row)`. They run
//! inside closures that [`Store::write`] and [`Store::read`] carry to threads which own the connections.
//! All writes of a process pass through one group-committing writer, so that a durable row costs a fraction
//! of a disk flush. The text of each statement is one for both databases.
//!
//! A row is written together with its audit record, in the same closure: no audit, no action.

mod error;
mod lite;
mod many;
mod migrate;
mod page;
mod pattern;
mod pg;
mod store;
mod tx;
mod value;
mod worker;

pub mod api_key;
pub mod approval;
pub mod approval_link;
pub mod approval_list;
pub mod artifact;
pub mod audit;
pub mod blob;
pub mod blocklist;
pub mod break_glass;
pub mod chain;
pub mod checkpoint;
pub mod command;
pub mod custody;
pub mod detection;
pub mod endpoint;
pub mod enrolment;
pub mod identity;
pub mod identity_provider;
pub mod incident;
pub mod kit_key;
pub mod library;
pub mod membership;
pub mod notice;
pub mod passkey;
pub mod person;
pub mod person_setting;
pub mod protection;
pub mod response_plan;
pub mod role;

pub mod server_key;
pub mod session;
pub mod setting;
pub mod setup;
pub mod shell;
pub mod step_up;
pub mod task;
pub mod tenant;
pub mod ticket;
pub mod trust;
pub mod webhook;

pub use blob::ArtifactStore;
pub use error::Error;
pub use migrate::LATEST as SCHEMA_VERSION;
pub use page::{Page, Paged, Place};
pub use store::{Options, Store};
pub use tx::Tx;
pub use value::{Cell, FromCell, Param, Row, Value};

/// Microseconds since the Unix epoch.
pub type Micros = i64;

/// Every statement of every repository, as (module, name, text). A test prepares each on both databases.
pub fn statements() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    [
        ("api_key", api_key::ALL),
        ("approval", approval::ALL),
        ("approval_link", approval_link::ALL),
        ("approval_list", approval_list::ALL),
        ("artifact", artifact::ALL),
        ("audit", audit::ALL),
        ("blocklist", blocklist::ALL),
        ("blocklist::batch", blocklist::batch::ALL),
        ("blocklist::exception", blocklist::exception::ALL),
        ("blocklist::report", blocklist::report::ALL),
        ("blocklist::version", blocklist::version::ALL),
        ("break_glass", break_glass::ALL),
        ("chain", chain::ALL),
        ("chain::batch", chain::batch::ALL),
        ("chain::rows", chain::rows::ALL),
        ("checkpoint", checkpoint::ALL),
        ("command", command::ALL),
        ("command::twins", command::twins::ALL),
        ("custody", custody::ALL),
        ("detection", detection::ALL),
        ("detection::list", detection::list::ALL),
        ("endpoint", endpoint::ALL),
        ("endpoint::list", endpoint::list::ALL),
        ("endpoint::place", endpoint::place::ALL),
        ("endpoint::some", endpoint::some::ALL),
        ("enrolment", enrolment::ALL),
        ("identity", identity::ALL),
        ("identity_provider", identity_provider::ALL),
        ("incident", incident::ALL),
        ("incident::group", incident::group::ALL),
        ("incident::link", incident::link::ALL),
        ("incident::list", incident::list::ALL),
        ("incident::note", incident::note::ALL),
        ("kit_key", kit_key::ALL),
        ("library", library::ALL),
        ("membership", membership::ALL),
        ("notice", notice::ALL),
        ("notice::delivery", notice::delivery::ALL),
        ("passkey", passkey::ALL),
        ("person", person::ALL),
        ("person_setting", person_setting::ALL),
        ("protection", protection::ALL),
        ("response_plan", response_plan::ALL),
        ("role", role::ALL),
        ("server_key", server_key::ALL),
        ("session", session::ALL),
        ("setting", setting::ALL),
        ("setup", setup::ALL),
        ("step_up", step_up::ALL),
        ("shell", shell::ALL),
        ("task", task::ALL),
        ("tenant", tenant::ALL),
        ("ticket", ticket::ALL),
        ("trust", trust::ALL),
        ("webhook", webhook::ALL),
    ]
    .into_iter()
    .flat_map(|(module, list)| list.iter().map(move |(name, text)| (module, *name, *text)))
}
