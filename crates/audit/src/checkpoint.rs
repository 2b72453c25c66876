//! A checkpoint: what the records of one batch are, and which checkpoint came before, signed.

use std::collections::HashMap;

use prost::Message as _;
use quell_store::checkpoint::Checkpoint as Row;
use quell_wire::{
    SigningKey,
    digest::{Digest, sha256},
    keys::{Domain, key_id, verify},
};
use uuid::Uuid;

/// What is signed. Encoded once; the bytes are kept as they are.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Checkpoint {
    /// Whose trail, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub tenant: Vec<u8>,
    /// Its number, from 0.
    #[prost(uint64, tag = "2")]
    pub batch: u64,
    /// How many records.
    #[prost(uint64, tag = "3")]
    pub count: u64,
    /// Root of the Merkle tree over them, in their order; 32 bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub root: Vec<u8>,
    /// SHA-256 of the bytes of the checkpoint before; empty for the first.
    #[prost(bytes = "vec", tag = "5")]
    pub previous: Vec<u8>,
    /// When it was made, microseconds since 1970.
    #[prost(int64, tag = "6")]
    pub sealed_at_us: i64,
    /// The lowest id of its records, 16 bytes.
    #[prost(bytes = "vec", tag = "7")]
    pub first: Vec<u8>,
    /// The highest id of its records, 16 bytes.
    #[prost(bytes = "vec", tag = "8")]
    pub last: Vec<u8>,
}

/// Why a stored checkpoint cannot be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Signed by a key that is not known.
    #[error("its key is not known")]
    UnknownKey,
    /// The signature does not fit.
    #[error("its signature is wrong")]
    Signature,
    /// The bytes are no checkpoint, or one of another place than where they stand.
    #[error("it is not the checkpoint that should stand there")]
    Content,
}

/// The public keys that checkpoints may be signed with, by id.
#[derive(Clone, Debug, Default)]
pub struct Keys(HashMap<String, Vec<u8>>);

impl Keys {
    /// These public keys, 32 bytes each.
    pub fn new(keys: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(keys.into_iter().map(|key| (key_id(&key), key)).collect())
    }
}

/// What the next checkpoint's `previous` is: the digest of a checkpoint's bytes.
pub fn digest(body: &[u8]) -> Digest {
    sha256(&[body])
}

/// Signs a checkpoint, as a row.
pub(crate) fn sign(key: &SigningKey, tenant: Uuid, checkpoint: &Checkpoint) -> Row {
    let body = checkpoint.encode_to_vec();
    Row {
        tenant_id: tenant,
        batch: checkpoint.batch.cast_signed(),
        signature: key.sign(Domain::AuditCheckpoint, &body),
        key_id: key_id(&key.public()),
        body,
    }
}

/// Checks the signature of a row and that it stands where it says.
///
/// # Errors
/// Why it cannot be believed.
pub fn open(row: &Row, keys: &Keys) -> Result<Checkpoint, Fault> {
    let key = keys.0.get(&row.key_id).ok_or(Fault::UnknownKey)?;
    if !verify(key, Domain::AuditCheckpoint, &row.body, &row.signature) {
        return Err(Fault::Signature);
    }
    let checkpoint = Checkpoint::decode(row.body.as_slice()).map_err(|_| Fault::Content)?;
    let stands = checkpoint.tenant == row.tenant_id.as_bytes()
        && checkpoint.batch == row.batch.cast_unsigned()
        && checkpoint.root.len() == 32
        && checkpoint.first.len() == 16
        && checkpoint.last.len() == 16;
    if stands { Ok(checkpoint) } else { Err(Fault::Content) }
}
