//! A tenant's block list on its way to the agents: signed deltas, one for each version, and snapshots.
//!
//! The newest version is announced by a doorbell in the session ([`crate::frame::FromServer::BlockList`]); the agent then asks
//! for what leads there from its own ([`crate::path::BLOCK_LIST`]) and is answered with [`framed`] [`SignedDelta`]s: one delta
//! for each version, or, where it is too far behind or asks from 0, the parts of one snapshot. [`Follower`] holds the rules of
//! acceptance. Versions only rise; each delta binds the digest of the version before it, so that two histories cannot be mixed.
//!
//! Here values are bytes with bounds. What they mean, how text becomes a value and what must never be blocked is
//! `quell_catalog::blocklist`. Other than an order, a delta is read without what is not known here: a newer server may list
//! a kind of object that this agent cannot enforce, and the rest of the list still counts.

mod check;
mod follow;

use prost::{Enumeration, Message};

use crate::digest::{Digest, sha256};
use crate::keys::{Domain, SigningKey, Trust};
use crate::limits;
use crate::signed::{self, Document};

pub use check::is_sound;
pub use follow::{Follower, Step};

const DOMAIN: &[u8] = b"quell/block-list/version/v1\0";

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Kind {
    /// Not said.
    Unspecified = 0,
    /// SHA-1 of a file: 20 bytes.
    Sha1 = 1,
    /// SHA-256 of a file: 32 bytes.
    Sha256 = 2,
    /// An address or network: 4 or 16 bytes of address, then the length of the prefix; bits beyond it are 0.
    Ip = 3,
    /// A name, ASCII, lower-case; `*.` before it stands for it and every name below it.
    Domain = 4,
    /// A URL, ASCII, scheme and host in lower-case.
    Url = 5,
    /// A mail address, ASCII, lower-case.
    Sender = 6,
}

/// What is done about an object that is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Action {
    /// Not said.
    Unspecified = 0,
    /// It is only reported.
    Log = 1,
    /// It is blocked, and reported.
    Block = 2,
}

/// How dangerous an object is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Risk {
    /// Not said.
    Unspecified = 0,
    /// Low.
    Low = 1,
    /// Medium.
    Medium = 2,
    /// High.
    High = 3,
}

/// A version of the list. Version 0, with an empty digest, is the list that nothing was ever written to.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Held {
    /// Rises by one with each delta.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// What binds all deltas so far, 32 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub digest: Vec<u8>,
}

impl Held {
    /// Whether it can be a version.
    pub fn is_sound(&self) -> bool {
        let length = if self.version == 0 { 0 } else { 32 };
        i64::try_from(self.version).is_ok() && self.digest.len() == length
    }

    /// The version that this encoded delta makes of it.
    #[must_use]
    pub fn then(&self, delta: &[u8]) -> Self {
        Self { version: self.version + 1, digest: chained(&self.digest, delta).to_vec() }
    }
}

fn chained(base: &[u8], delta: &[u8]) -> Digest {
    sha256(&[DOMAIN, &[base.len() as u8], base, &sha256(&[delta])])
}

/// One step from a version to the next, or a part of a snapshot. Encoded once, by the server, and never encoded again.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Delta {
    /// Whose list.
    #[prost(string, tag = "1")]
    pub tenant_id: String,
    /// The version that it changes; 0 for a part of a snapshot.
    #[prost(uint64, tag = "2")]
    pub from_version: u64,
    /// The version that it makes: for a delta one more.
    #[prost(uint64, tag = "3")]
    pub to_version: u64,
    /// Digest of `from_version`; empty where that is 0.
    #[prost(bytes = "vec", tag = "4")]
    pub base: Vec<u8>,
    /// When it was made, the server's clock, microseconds since 1970.
    #[prost(int64, tag = "5")]
    pub made_at_us: i64,
    /// Objects that are gone. They go before `adds` come.
    #[prost(message, repeated, tag = "6")]
    pub removes: Vec<Plain>,
    /// Objects from now on. One that is there already is replaced.
    #[prost(message, repeated, tag = "7")]
    pub adds: Vec<Group>,
    /// Exceptions that are gone. They go before `excepts` come.
    #[prost(message, repeated, tag = "8")]
    pub unexcepts: Vec<Plain>,
    /// What is never blocked from now on, whatever is listed.
    #[prost(message, repeated, tag = "9")]
    pub excepts: Vec<Plain>,
    /// Set on a part of a snapshot, which has only `adds` and `excepts`.
    #[prost(message, optional, tag = "10")]
    pub part: Option<Part>,
}

/// Objects that share all but their value.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Group {
    /// What they are.
    #[prost(enumeration = "Kind", tag = "1")]
    pub kind: i32,
    /// What is done about them.
    #[prost(enumeration = "Action", tag = "2")]
    pub action: i32,
    /// How dangerous they are.
    #[prost(enumeration = "Risk", tag = "3")]
    pub risk: i32,
    /// After this they count no more, microseconds since 1970; 0: never.
    #[prost(int64, tag = "4")]
    pub expires_at_us: i64,
    /// As [`Kind`] says.
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub values: Vec<Vec<u8>>,
}

/// Values alone.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Plain {
    /// What they are.
    #[prost(enumeration = "Kind", tag = "1")]
    pub kind: i32,
    /// As [`Kind`] says.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub values: Vec<Vec<u8>>,
}

/// Which part of which snapshot.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Part {
    /// Random, 16 bytes, the same in all parts of one snapshot.
    #[prost(bytes = "vec", tag = "1")]
    pub snapshot: Vec<u8>,
    /// From 0.
    #[prost(uint32, tag = "2")]
    pub index: u32,
    /// How many there are.
    #[prost(uint32, tag = "3")]
    pub count: u32,
    /// Digest of `to_version`.
    #[prost(bytes = "vec", tag = "4")]
    pub digest: Vec<u8>,
}

/// A delta on its way.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SignedDelta {
    /// An encoded [`Delta`].
    #[prost(bytes = "vec", tag = "1")]
    pub delta: Vec<u8>,
    /// Signature in [`Domain::BlockList`], by an order key.
    #[prost(bytes = "vec", tag = "2")]
    pub signature: Vec<u8>,
    /// Which key signed.
    #[prost(string, tag = "3")]
    pub key_id: String,
}

/// Why a delta is not accepted. What is held stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a delta, or too large.
    #[error("the delta cannot be read")]
    Malformed,
    /// A field is beyond its limit, or means nothing.
    #[error("a field of the delta is beyond its limit or means nothing: {0}")]
    Limit(&'static str),
    /// Signed by no order key that is trusted.
    #[error("the delta is not signed by a trusted order key")]
    Signature,
    /// For another tenant.
    #[error("the delta is for another tenant")]
    OtherTenant,
    /// Not the step that follows what is held.
    #[error("the delta does not follow the version held")]
    NotNext,
    /// It follows the version held by its number, but another list by its digest: ask for a snapshot.
    #[error("the delta follows another history of the list")]
    OtherHistory,
    /// Older than what is held.
    #[error("the snapshot is older than the version held")]
    Stale,
    /// A part of another snapshot, or out of its order.
    #[error("the part does not continue the snapshot")]
    Part,
}

impl Error {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "blocklist_malformed",
            Self::Limit(_) => "blocklist_limit",
            Self::Signature => "blocklist_bad_signature",
            Self::OtherTenant => "blocklist_other_tenant",
            Self::NotNext => "blocklist_not_next",
            Self::OtherHistory => "blocklist_other_history",
            Self::Stale => "blocklist_stale",
            Self::Part => "blocklist_part",
        }
    }
}

impl Document for Delta {
    type Error = Error;
    const DOMAIN: Domain = Domain::BlockList;
    const MOST: usize = limits::BLOCK_LIST_DELTA;
    const MALFORMED: Error = Error::Malformed;
    const UNSIGNED: Error = Error::Signature;

    fn check(&self) -> Result<(), Error> {
        self.check()
    }
}

impl SignedDelta {
    /// Signs.
    pub fn sign(key: &SigningKey, delta: &[u8]) -> Self {
        let (signature, key_id) = signed::sign::<Delta>(key, delta);
        Self { delta: delta.to_vec(), signature, key_id }
    }

    /// The delta, signed by a trusted order key and within every limit. Whether it is the next one says [`Follower`].
    pub fn open(&self, trust: &Trust) -> Result<Delta, Error> {
        signed::open(trust, &self.delta, (&self.signature, &self.key_id))
    }
}

/// A delta as it stands in an answer: its length, four bytes, most significant first, then itself.
pub fn framed(signed: &SignedDelta) -> Vec<u8> {
    let length = signed.encoded_len();
    let mut bytes = Vec::with_capacity(4 + length);
    bytes.extend_from_slice(&(length as u32).to_be_bytes());
    // A vector grows as needed: encoding into one does not fail.
    let _ = signed.encode(&mut bytes);
    bytes
}

/// The first delta of these bytes and how many it takes; `None` where more bytes are needed.
pub fn unframe(bytes: &[u8]) -> Result<Option<(SignedDelta, usize)>, Error> {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*head) as usize;
    if length > limits::BLOCK_LIST_DELTA + 256 {
        return Err(Error::Malformed);
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let signed = SignedDelta::decode(body).map_err(|_| Error::Malformed)?;
    Ok(Some((signed, 4 + length)))
}
