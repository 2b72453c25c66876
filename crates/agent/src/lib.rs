//! The endpoint agent.

pub mod backoff;
pub mod clock;
pub mod journal;
pub mod random;
pub mod state;
