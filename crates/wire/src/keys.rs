//! Ed25519 signatures, each kind in a domain of its own, and the order keys that an agent trusts.

use prost::Message;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::digest::{hex, sha256};
use crate::limits;

/// What a signature is for. The text stands before the signed bytes, so that none passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// An order of the server to an agent.
    Order,
    /// An outcome of an agent.
    Outcome,
    /// A set of order keys.
    KeySet,
    /// A checkpoint of an audit trail.
    AuditCheckpoint,
    /// The digest of an intent, by an approver.
    Approval,
    /// A tenant's trust bundle, by its root key.
    Trust,
    /// A delta or a snapshot of a tenant's block list.
    BlockList,
    /// An investigation kit, by whoever made it.
    Kit,
    /// A tenant's protection document.
    Protection,
}

impl Domain {
    /// What is signed: the domain, then the bytes.
    pub fn message(self, bytes: &[u8]) -> Vec<u8> {
        [self.prefix(), bytes].concat()
    }

    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Order => b"quell/order/v1\0",
            Self::Outcome => b"quell/outcome/v1\0",
            Self::KeySet => b"quell/key-set/v1\0",
            Self::AuditCheckpoint => b"quell/audit-checkpoint/v1\0",
            Self::Approval => b"quell/approval/v1\0",
            Self::Trust => b"quell/trust/v1\0",
            Self::BlockList => b"quell/block-list/v1\0",
            Self::Kit => b"quell/kit/v1\0",
            Self::Protection => b"quell/protection/v1\0",
        }
    }
}

/// A key that is not one, or a key set that is not acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a private key in PKCS#8.
    #[error("not an Ed25519 private key in PKCS#8")]
    Private,
    /// The system gave no randomness.
    #[error("the system gave no randomness")]
    Random,
    /// Not a public key.
    #[error("not an Ed25519 public key of 32 bytes")]
    Public,
    /// Signed by a key that is not trusted, or not signed.
    #[error("the key set is not signed by a trusted key")]
    Untrusted,
    /// The version does not rise.
    #[error("the key set is not newer than the one held")]
    Stale,
    /// Too many keys, or none.
    #[error("the key set has no key, or more than 8")]
    Count,
}

/// A private Ed25519 key. Prints nothing of itself.
pub struct SigningKey {
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SigningKey({})", key_id(&self.public()))
    }
}

impl SigningKey {
    /// A new key, as PKCS#8 for keeping.
    pub fn generate() -> Result<Vec<u8>, KeyError> {
        let document =
            Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).map_err(|_| KeyError::Random)?;
        Ok(document.as_ref().to_vec())
    }

    /// Reads PKCS#8, with or without the public key in it.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
            .map(|pair| Self { pair })
            .map_err(|_| KeyError::Private)
    }

    /// The public key, 32 bytes.
    pub fn public(&self) -> Vec<u8> {
        self.pair.public_key().as_ref().to_vec()
    }

    /// A detached signature, 64 bytes.
    pub fn sign(&self, domain: Domain, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(&domain.message(bytes)).as_ref().to_vec()
    }
}

/// Whether the signature is of `public` over these bytes in this domain.
pub fn verify(public: &[u8], domain: Domain, bytes: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(&domain.message(bytes), signature).is_ok()
}

/// The id of a public key: the first 16 hex digits of its SHA-256.
pub fn key_id(public: &[u8]) -> String {
    hex(&sha256(&[public])[..8])
}

/// A set of order keys. A newer one replaces an older one and is signed by a key of the older one.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct KeySet {
    /// Rises with each change.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// Public keys, 32 bytes each.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub keys: Vec<Vec<u8>>,
}

/// A key set with its signature.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SignedKeySet {
    /// An encoded [`KeySet`].
    #[prost(bytes = "vec", tag = "1")]
    pub set: Vec<u8>,
    /// Signature in [`Domain::KeySet`].
    #[prost(bytes = "vec", tag = "2")]
    pub signature: Vec<u8>,
}

impl SignedKeySet {
    /// Signs a set with a key of the set that agents hold now.
    pub fn sign(key: &SigningKey, set: &KeySet) -> Self {
        let set = set.encode_to_vec();
        let signature = key.sign(Domain::KeySet, &set);
        Self { set, signature }
    }
}

/// The order keys that an agent accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    set: KeySet,
}

impl Trust {
    /// Trust in what was pinned at enrolment, or was kept since.
    pub fn pinned(set: KeySet) -> Result<Self, KeyError> {
        if set.keys.is_empty() || set.keys.len() > limits::KEYS {
            return Err(KeyError::Count);
        }
        if set.keys.iter().any(|key| key.len() != 32) {
            return Err(KeyError::Public);
        }
        Ok(Self { set })
    }

    /// The set, for keeping.
    pub fn set(&self) -> &KeySet {
        &self.set
    }

    /// The trusted key with this id.
    pub fn key(&self, id: &str) -> Option<&[u8]> {
        self.set.keys.iter().map(Vec::as_slice).find(|key| key_id(key) == id)
    }

    /// Takes a newer set that a key of this one signed.
    pub fn rotate(&self, signed: &SignedKeySet) -> Result<Self, KeyError> {
        if !self.set.keys.iter().any(|key| verify(key, Domain::KeySet, &signed.set, &signed.signature)) {
            return Err(KeyError::Untrusted);
        }
        let set = KeySet::decode(signed.set.as_slice()).map_err(|_| KeyError::Untrusted)?;
        if set.version <= self.set.version {
            return Err(KeyError::Stale);
        }
        Self::pinned(set)
    }
}
