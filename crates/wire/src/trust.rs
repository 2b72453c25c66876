//! What a tenant's offline root says of approvals: whose signatures count, and which actions need how many of them.
//!
//! The root key never comes near the server. An endpoint learns its SHA-256 (the [`Pin`]) at enrolment, and from then on takes
//! nothing else for the root's word: [`Pinned`] is the only thing that answers whether an intent is approved, and only a
//! bundle that the pinned root signed makes one. A bundle replaces the one before as a whole, and only by a higher serial.
//!
//! Other than frames, a bundle with a field that is not known here is refused, not read without it: what the field says may
//! be what the root relies on.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;

use crate::approval::{Approval, ApproverSignature};
use crate::approver::{self, ApproverKey};
use crate::digest::{Digest, hex, sha256};
use crate::intent::Intent;
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

/// What an endpoint is told at enrolment: which root to believe, and how old its word may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// SHA-256 of the root's public key.
    pub root: Digest,
    /// No bundle of a lower serial is taken.
    pub serial: u64,
}

impl Pin {
    /// The pin of this root from this serial on.
    pub fn of(root_key: &[u8], serial: u64) -> Self {
        Self { root: sha256(&[root_key]), serial }
    }

    /// For people to carry: the SHA-256 as hex, a colon, the serial.
    pub fn to_text(&self) -> String {
        format!("{}:{}", hex(&self.root), self.serial)
    }

    /// Reads the text form; the serial may be missing.
    pub fn from_text(text: &str) -> Option<Self> {
        let (digest, serial) = text.trim().split_once(':').unwrap_or((text.trim(), "0"));
        let mut root = [0; 32];
        if digest.len() != 64 {
            return None;
        }
        for (byte, pair) in root.iter_mut().zip(digest.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        let is_number = !serial.is_empty() && serial.bytes().all(|b| b.is_ascii_digit());
        Some(Self { root, serial: serial.parse().ok().filter(|_| is_number)? })
    }
}

/// What an approved intent lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// Humans who must have signed.
    pub needed: u32,
    /// Humans whose signature counts.
    pub valid: u32,
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncounted {
    /// The keyring has no such key.
    #[error("the tenant's root of trust does not name the key")]
    Key,
    /// Who asks does not approve.
    #[error("who asks does not approve, by none of their keys")]
    Requester,
    /// It is not a signature of that key over this intent.
    #[error(transparent)]
    Signature(#[from] approver::Error),
}

/// A tenant's trust bundle that the pinned root signed. Only the rules of acceptance make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    bundle: TrustBundle,
    signed: SignedTrustBundle,
}

impl Pinned {
    /// The first contact: of the bundles that the server hands over, oldest first, the first that the pin allows, and then
    /// those that follow it.
    pub fn first(pin: &Pin, tenant: &str, chain: &[SignedTrustBundle]) -> Result<Self, Error> {
        let mut pinned: Option<Self> = None;
        let mut why = Error::Missing;
        for signed in chain.iter().take(limits::TRUST_CHAIN) {
            let taken = match &pinned {
                Some(pinned) => pinned.accept(signed),
                None => Self::fitting(pin, tenant, signed),
            };
            match taken {
                Ok(taken) => pinned = Some(taken),
                Err(error) => why = error,
            }
        }
        pinned.ok_or(why)
    }

    fn fitting(pin: &Pin, tenant: &str, signed: &SignedTrustBundle) -> Result<Self, Error> {
        let bundle = signed.open()?;
        if sha256(&[&bundle.root_key]) != pin.root {
            return Err(Error::OtherRoot);
        }
        if bundle.tenant_id != tenant {
            return Err(Error::OtherTenant);
        }
        if bundle.serial < pin.serial {
            return Err(Error::Stale);
        }
        Ok(Self { bundle, signed: signed.clone() })
    }

    /// What this endpoint itself kept, checked again.
    pub fn kept(tenant: &str, signed: SignedTrustBundle) -> Result<Self, Error> {
        let bundle = signed.open()?;
        if bundle.tenant_id != tenant {
            return Err(Error::OtherTenant);
        }
        Ok(Self { bundle, signed })
    }

    /// Takes the next bundle: of the same tenant, signed by the root that this one names, with a higher serial.
    pub fn accept(&self, signed: &SignedTrustBundle) -> Result<Self, Error> {
        let bundle = signed.open()?;
        if bundle.tenant_id != self.bundle.tenant_id {
            return Err(Error::OtherTenant);
        }
        if bundle.serial <= self.bundle.serial {
            return Err(Error::Stale);
        }
        if bundle.root_key != self.bundle.next() {
            return Err(Error::OtherRoot);
        }
        Ok(Self { bundle, signed: signed.clone() })
    }

    /// The bundle in force.
    pub fn bundle(&self) -> &TrustBundle {
        &self.bundle
    }

    /// As it was signed, for keeping and handing on.
    pub fn signed(&self) -> &SignedTrustBundle {
        &self.signed
    }

    /// The pin that leads here: the root that signed it, and its serial.
    pub fn pin(&self) -> Pin {
        Pin::of(&self.bundle.root_key, self.bundle.serial)
    }

    /// Whether enough humans signed the intent themselves, where a rule says that they must. `digest` is the intent's own;
    /// answers whether a rule covers it at all.
    ///
    /// Signatures that do not count are passed over, and so is a second one of the same human.
    pub fn check(&self, intent: &Intent, digest: &Digest, approvals: &[Approval]) -> Result<bool, Lacking> {
        let Some(needed) = self.bundle.quorum(&intent.action) else { return Ok(false) };
        let signatures = approvals.iter().filter_map(|approval| approval.signature.as_ref());
        let keys = signatures.filter_map(|signature| self.signer(intent, digest, signature).ok());
        let humans: BTreeSet<&str> = keys.map(|key| key.human.as_str()).collect();
        let valid = u32::try_from(humans.len()).unwrap_or(u32::MAX);
        if valid < needed { Err(Lacking { needed, valid }) } else { Ok(true) }
    }

    /// The key of the keyring that made this signature over the intent, if it counts: not where it is of the human who asks.
    pub fn signer(
        &self,
        intent: &Intent,
        digest: &Digest,
        signature: &ApproverSignature,
    ) -> Result<&ApproverKey, Uncounted> {
        let key = self.bundle.keyring.iter().find(|key| key.id() == signature.key_id);
        let key = key.ok_or(Uncounted::Key)?;
        let requester = intent.requester.as_ref().map(|requester| requester.id.as_str());
        let asks = |held: &ApproverKey| held.requester_ids.iter().any(|id| Some(id.as_str()) == requester);
        if self.bundle.keyring.iter().any(|held| held.human == key.human && asks(held)) {
            return Err(Uncounted::Requester);
        }
        key.verify(signature, digest)?;
        Ok(key)
    }
}
