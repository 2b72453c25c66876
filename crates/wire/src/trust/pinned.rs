//! The trust that an endpoint has: in the root that it pinned, and in the bundle that this root signed last.

use std::collections::BTreeSet;

use super::{Error, SignedTrustBundle, TrustBundle};
use crate::approval::{Approval, ApproverSignature};
use crate::approver::{self, ApproverKey};
use crate::digest::{Digest, hex, sha256, unhex};
use crate::intent::Intent;
use crate::limits;

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
        let root = unhex(digest)?;
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

    /// Whether the root says that this key may sign investigation kits.
    pub fn signs_kits(&self, key: &[u8]) -> bool {
        self.bundle.kit_keys.iter().any(|held| held == key)
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
