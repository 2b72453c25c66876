//! Attacks on endpoints of the lab: small scripts of our own, each showing one technique, what they need from outside, and an
//! independent witness of what they really did.
//!
//! Everything they do stays on the endpoint's own disk, in its own processes, in its own network.

mod scenario;
mod truth;
mod web;

pub use scenario::{SCENARIOS, Scenario};
pub use truth::{Lay, Run, Trace, Truth, files};
pub use web::Web;
