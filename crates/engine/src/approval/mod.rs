//! Who must agree before a task is carried out, and what happens when they do, do not, or take it back.
//!
//! The policy is asked once, when the task is written ([`ask`]); what it wants is written down with the request. People
//! decide about the digest of the intent ([`decide`]). Whether enough of them still stand by it is counted again, from
//! the rows of that moment, whenever an order of the task is given out ([`standing`]).

mod ask;
mod decide;
mod settings;
mod standing;
mod trust;
mod withdraw;

pub(crate) use ask::{Asked, ask, blast, note, tags};
pub use decide::{Ballot, Decided};
pub(crate) use decide::{check as check_ballot, decide};
pub use settings::{POLICY, policy};
pub(crate) use standing::{ended, of_order, still_holds};
pub(crate) use withdraw::run_out;

/// States of a request, as stored.
pub mod state {
    /// People are asked.
    pub const PENDING: &str = "pending";
    /// Enough of them agreed.
    pub const APPROVED: &str = "approved";
    /// The settings, or a broken glass, answered for them.
    pub const AUTO: &str = "auto";
    /// One declined.
    pub const REJECTED: &str = "rejected";
    /// Nobody decided in time, or its validity is over.
    pub const EXPIRED: &str = "expired";
    /// Taken back after it had been given.
    pub const REVOKED: &str = "revoked";
    /// The task was called off.
    pub const CANCELED: &str = "canceled";

    /// Every one.
    pub const ALL: &[&str] = &[PENDING, APPROVED, AUTO, REJECTED, EXPIRED, REVOKED, CANCELED];
}
