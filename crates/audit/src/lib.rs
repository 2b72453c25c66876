//! Proves the audit trail of a tenant: who reads it later can tell whether a record was changed, removed or slipped in.
//!
//! Records are written by those who act, in the transaction of the act, and queue on nothing. A [`Sealer`] comes after
//! them: it takes those that stand under no checkpoint, builds a Merkle tree over them, and signs a [`Checkpoint`] that
//! names the root and the checkpoint before. [`verify`] walks the chain again. What nobody sealed yet is as safe as the
//! database; what is sealed cannot be changed without the key, and not even with it once somebody keeps a checkpoint.

mod checkpoint;
mod leaf;
mod seal;
pub mod verify;

pub use checkpoint::{Checkpoint, Fault, Keys, digest, open};
pub use leaf::{decode, encode};
pub use seal::{Error, Sealer};
