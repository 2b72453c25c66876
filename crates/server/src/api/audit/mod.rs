//! The audit trail, and what proves it.

mod checkpoints;
mod list;
mod ocsf;
mod verification;

use super::route::Route;

/// The routes of the audit trail.
pub(crate) fn routes() -> Vec<Route> {
    vec![list::route(), checkpoints::route(), verification::route()]
}
