//! Actions on files of an endpoint.

pub mod allow_run;
pub mod collect;
pub mod delete;
pub mod prevent_run;
pub mod quarantine;
pub mod restore;
