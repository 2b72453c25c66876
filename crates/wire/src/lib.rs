//! The agent protocol: frames over one WebSocket, signed orders and outcomes, enrolment, versions, limits.
//!
//! Pure data and checks: no socket, no clock, no file. Both ends use the same functions, so what one end may
//! say and what the other end accepts cannot drift apart. Everything that is decoded here comes from a less
//! trusted side; every field has a limit in [`limits`], checked in one place, [`frame`].
//!
//! Invariants: an order is opaque bytes with a detached signature and is never re-encoded; each kind of
//! signature has its own domain; unknown fields are ignored (newer peer), unknown enum values are refused.

pub mod activity;
pub mod approval;
pub mod approver;
pub mod artifact;
pub mod blocklist;
pub mod digest;
pub mod enrol;
pub mod frame;
pub mod intent;
pub mod keys;
pub mod limits;
pub mod merkle;
pub mod order;
pub mod outcome;
pub mod path;
pub mod protection;
pub mod shell;
mod signed;
pub mod trust;
pub mod version;
pub mod webauthn;

pub use approval::{Approval, ApproverSignature};
pub use frame::{AgentFrame, ServerFrame};
pub use intent::{Intent, Requester, Target};
pub use keys::{SigningKey, Trust};
pub use order::{Order, Refusal, SignedOrder, VerifiedOrder};
pub use outcome::{Outcome, SignedOutcome, Status};
