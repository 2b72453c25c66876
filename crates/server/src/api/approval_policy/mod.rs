//! The approval settings of a tenant: who must agree to what, and the lists of endpoints that they name.

mod lists;
mod set;
mod show;
pub(super) mod tag;
mod trial;

use quell_access::Policy;
use serde::Serialize;
use utoipa::ToSchema;

use super::route::Route;

/// The routes of the approval settings.
pub(crate) fn routes() -> Vec<Route> {
    vec![show::route(), set::route(), trial::route(), lists::show_route(), lists::import_route()]
}

/// The approval settings, with what can be chosen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApprovalSettings {
    /// The policy.
    #[schema(value_type = Object)]
    policy: Policy,
    /// What the managed-services settings may approve by themselves, in its two groups.
    offered: Vec<Offered>,
    /// How many endpoints stand on each list.
    lists: Vec<ListSize>,
}

/// An action that the settings may approve.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Offered {
    /// Its id.
    action: &'static str,
    /// Its name for people.
    title: &'static str,
    /// `critical` or `recommended`.
    group: &'static str,
    /// Whether it is ticked.
    is_ticked: bool,
}

/// A list of endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListSize {
    /// `except`, `only` or `protected`.
    list: &'static str,
    /// How many endpoints stand on it.
    endpoints: usize,
}
