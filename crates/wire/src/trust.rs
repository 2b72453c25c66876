//! What a tenant's offline root says of approvals: whose signatures count, and which actions need how many of them.
//!
//! The root key never comes near the server. An endpoint learns its SHA-256 (the [`Pin`]) at enrolment, and from then on takes
//! nothing else for the root's word: [`Pinned`] is the only thing that answers whether an intent is approved, and only a
//! bundle that the pinned root signed makes one. A bundle replaces the one before as a whole, and only by a higher serial.
//!
//! Other than frames, a bundle with a field that is not known here is refused, not read without it: what the field says may
//! be what the root relies on.

mod pinned;

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
pub use pinned::{Lacking, Pin, Pinned, Uncounted};
use prost::Message;

use crate::approver::ApproverKey;
use crate::keys::{Domain, SigningKey, key_id, verify};
use crate::limits;

/// The root's word. Encoded once, by whoever holds the root key, and never encoded again.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct TrustBundle {
    /// Whose endpoints it is for.
    #[prost(string, tag = "1")]
    pub tenant_id: String,
    /// Rises with each bundle, from 1.
    #[prost(uint64, tag = "2")]
    pub serial: u64,
    /// When it was made, microseconds since 1970. For people.
    #[prost(int64, tag = "3")]
    pub created_at_us: i64,
    /// Who signs it: an Ed25519 public key.
    #[prost(bytes = "vec", tag = "4")]
    pub root_key: Vec<u8>,
    /// Whose signatures count.
    #[prost(message, repeated, tag = "5")]
    pub keyring: Vec<ApproverKey>,
    /// What needs them.
    #[prost(message, repeated, tag = "6")]
    pub rules: Vec<Rule>,
    /// Who signs the next bundle; empty where the root stays.
    #[prost(bytes = "vec", tag = "7")]
    pub next_root: Vec<u8>,
    /// Who may sign investigation kits that run on these endpoints: Ed25519 public keys. Nobody where empty.
    #[prost(bytes = "vec", repeated, tag = "8")]
    pub kit_keys: Vec<Vec<u8>>,
}

/// What needs how many signatures.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Rule {
    /// Action ids, `group.*`, or `*` for all.
    #[prost(string, repeated, tag = "1")]
    pub actions: Vec<String>,
    /// How many humans must have signed. Where several rules name an action, the highest counts.
    #[prost(uint32, tag = "2")]
    pub quorum: u32,
}

/// A bundle on its way.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SignedTrustBundle {
    /// An encoded [`TrustBundle`].
    #[prost(bytes = "vec", tag = "1")]
    pub bundle: Vec<u8>,
    /// Signature in [`Domain::Trust`].
    #[prost(bytes = "vec", tag = "2")]
    pub signature: Vec<u8>,
    /// Which root signed.
    #[prost(string, tag = "3")]
    pub key_id: String,
}

/// Why a bundle is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a bundle, or one with a field that is not known here.
    #[error("the trust bundle cannot be read, or says something that this version does not know")]
    Malformed,
    /// A field is beyond its limit, or means nothing.
    #[error("a field of the trust bundle is beyond its limit or means nothing: {0}")]
    Limit(&'static str),
    /// Signed by another key than the one that it names.
    #[error("the trust bundle's signature does not fit its bytes")]
    Signature,
    /// Signed by another root than the pinned one.
    #[error("the trust bundle is not signed by the pinned root")]
    OtherRoot,
    /// For another tenant.
    #[error("the trust bundle is for another tenant")]
    OtherTenant,
    /// Not newer than what is held, or older than what the pin allows.
    #[error("the trust bundle is not newer than the one held")]
    Stale,
    /// No bundle came that the pin allows.
    #[error("no trust bundle fits the pinned root")]
    Missing,
}

impl Error {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "trust_malformed",
            Self::Limit(_) => "trust_limit",
            Self::Signature => "trust_bad_signature",
            Self::OtherRoot => "trust_other_root",
            Self::OtherTenant => "trust_other_tenant",
            Self::Stale => "trust_stale",
            Self::Missing => "trust_missing",
        }
    }
}

impl SignedTrustBundle {
    /// Signs. The key must be the bundle's `root_key`.
    pub fn sign(root: &SigningKey, bundle: &TrustBundle) -> Self {
        let bundle = bundle.encode_to_vec();
        let signature = root.sign(Domain::Trust, &bundle);
        Self { bundle, signature, key_id: key_id(&root.public()) }
    }

    /// For people and programs to carry: one line of base64.
    pub fn to_text(&self) -> String {
        STANDARD.encode(self.encode_to_vec())
    }

    /// Reads the text form; whether it is a bundle says [`SignedTrustBundle::open`].
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = text.len() <= limits::TRUST * 2;
        Self::decode(fits.then(|| STANDARD.decode(text).ok()).flatten()?.as_slice()).ok()
    }

    /// The bundle, signed by the root that it names itself and within every limit. Whether that root is to be believed, and
    /// whether the bundle is news, is not said: see [`Pinned`].
    pub fn open(&self) -> Result<TrustBundle, Error> {
        if self.bundle.len() > limits::TRUST {
            return Err(Error::Limit("bundle"));
        }
        let bundle = TrustBundle::decode(self.bundle.as_slice()).map_err(|_| Error::Malformed)?;
        if bundle.encode_to_vec() != self.bundle {
            return Err(Error::Malformed);
        }
        if self.key_id != key_id(&bundle.root_key)
            || !verify(&bundle.root_key, Domain::Trust, &self.bundle, &self.signature)
        {
            return Err(Error::Signature);
        }
        bundle.check()?;
        Ok(bundle)
    }
}

impl TrustBundle {
    /// Whether every field is within its limit and means something.
    pub fn check(&self) -> Result<(), Error> {
        let holds = |holds: bool, field| if holds { Ok(()) } else { Err(Error::Limit(field)) };
        holds(is_id(&self.tenant_id), "tenant_id")?;
        holds((1..=i64::MAX.unsigned_abs()).contains(&self.serial), "serial")?;
        holds(self.root_key.len() == 32, "root_key")?;
        let rotates = self.next_root.len() == 32 && self.next_root != self.root_key;
        holds(self.next_root.is_empty() || rotates, "next_root")?;
        let ids: BTreeSet<&[u8]> = self.keyring.iter().map(|key| key.public.as_slice()).collect();
        holds(self.keyring.len() <= limits::KEYRING && ids.len() == self.keyring.len(), "keyring")?;
        holds(self.keyring.iter().all(ApproverKey::is_sound), "keyring")?;
        let kits: BTreeSet<&[u8]> = self.kit_keys.iter().map(Vec::as_slice).collect();
        holds(self.kit_keys.len() <= limits::KIT_KEYS && kits.len() == self.kit_keys.len(), "kit_keys")?;
        holds(self.kit_keys.iter().all(|key| key.len() == 32), "kit_keys")?;
        holds(self.rules.len() <= limits::RULES && self.rules.iter().all(Rule::is_sound), "rules")
    }

    /// How many humans must have signed an intent of this action; `None` where none must.
    pub fn quorum(&self, action: &str) -> Option<u32> {
        self.rules.iter().filter(|rule| rule.covers(action)).map(|rule| rule.quorum).max()
    }

    /// SHA-256 of the root that signs the bundle after this one.
    fn next(&self) -> &[u8] {
        if self.next_root.is_empty() { &self.root_key } else { &self.next_root }
    }
}

impl Rule {
    fn covers(&self, action: &str) -> bool {
        self.actions.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some("") => true,
            Some(group) => action.starts_with(group),
            None => pattern == action,
        })
    }

    fn is_sound(&self) -> bool {
        (1..=limits::APPROVALS).contains(&(self.quorum as usize))
            && (1..=limits::RULE_ACTIONS).contains(&self.actions.len())
            && self.actions.iter().all(|pattern| is_pattern(pattern))
    }
}

/// `*`, `group.*` or an action's id.
pub fn is_pattern(pattern: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    pattern.len() <= limits::CODE
        && match pattern.strip_suffix(".*") {
            Some(group) => group.split('.').all(is_word),
            None => pattern == "*" || (pattern.contains('.') && pattern.split('.').all(is_word)),
        }
}

pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= limits::ID && id.bytes().all(|b| b.is_ascii_graphic() && b != b'/')
}
