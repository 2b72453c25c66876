//! The key of an approver, and whether a signature over an intent is theirs.

use prost::Message;

use crate::approval::ApproverSignature;
use crate::digest::Digest;
use crate::keys::{Domain, SigningKey, key_id, verify};
use crate::webauthn::{self, Assertion, Party};
use crate::{limits, trust};

/// Signatures of a key file or a hardware key by the command line.
pub const ED25519: &str = "ed25519";
/// Signatures of a passkey by a browser.
pub const WEBAUTHN: &str = "webauthn";

/// A key of the keyring, and whose it is.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ApproverKey {
    /// The person's name, for people.
    #[prost(string, tag = "1")]
    pub person: String,
    /// The human: keys with the same label count once.
    #[prost(string, tag = "2")]
    pub human: String,
    /// Ids that this human has on the server, as a requester: what they ask for, they do not approve.
    #[prost(string, repeated, tag = "3")]
    pub requester_ids: Vec<String>,
    /// [`ED25519`] or [`WEBAUTHN`].
    #[prost(string, tag = "4")]
    pub kind: String,
    /// The public key: 32 bytes, or with [`WEBAUTHN`] a COSE key in canonical form.
    #[prost(bytes = "vec", tag = "5")]
    pub public: Vec<u8>,
    /// Only with [`WEBAUTHN`]: the relying party's id.
    #[prost(string, tag = "6")]
    pub rp_id: String,
    /// Only with [`WEBAUTHN`]: the pages that may ask.
    #[prost(string, repeated, tag = "7")]
    pub origins: Vec<String>,
}

/// Why a signature is not the approver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key is of another kind than the signature says.
    #[error("the signature is of another kind than the key")]
    Kind,
    /// It does not fit.
    #[error("the signature does not fit the intent")]
    Signature,
    /// The passkey's assertion.
    #[error(transparent)]
    WebAuthn(#[from] webauthn::Error),
}

impl ApproverKey {
    /// Its id: the first 16 hex digits of the SHA-256 of its public key.
    pub fn id(&self) -> String {
        key_id(&self.public)
    }

    /// Whether it can verify anything, and every field is within its limit.
    pub fn is_sound(&self) -> bool {
        let is_text = |text: &str, most: usize| !text.is_empty() && text.len() <= most;
        is_text(&self.person, limits::NAME)
            && is_text(&self.human, limits::NAME)
            && self.requester_ids.len() <= limits::REQUESTER_IDS
            && self.requester_ids.iter().all(|id| trust::is_id(id))
            && match self.kind.as_str() {
                ED25519 => self.public.len() == 32 && self.rp_id.is_empty() && self.origins.is_empty(),
                WEBAUTHN => {
                    webauthn::is_key(&self.public)
                        && is_text(&self.rp_id, limits::NAME)
                        && (1..=limits::ORIGINS).contains(&self.origins.len())
                        && self.origins.iter().all(|origin| is_text(origin, limits::NAME))
                }
                _ => false,
            }
    }

    /// Whether this is the signature of this key's holder over the digest of an intent.
    pub fn verify(&self, signature: &ApproverSignature, digest: &Digest) -> Result<(), Error> {
        if signature.kind != self.kind {
            return Err(Error::Kind);
        }
        if self.kind != WEBAUTHN {
            let fits = verify(&self.public, Domain::Approval, digest, &signature.signature);
            return if fits { Ok(()) } else { Err(Error::Signature) };
        }
        let assertion = Assertion {
            authenticator_data: &signature.authenticator_data,
            client_data: &signature.client_data,
            signature: &signature.signature,
        };
        let party = Party { id: &self.rp_id, origins: &self.origins };
        Ok(webauthn::verify(assertion, &self.public, party, digest)?)
    }
}

/// The very bytes that an approver signs with Ed25519, for keys that another program holds.
pub fn message(digest: &Digest) -> Vec<u8> {
    Domain::Approval.message(digest)
}

/// An approver's signature over the digest of an intent, by a key of their own.
pub fn sign(key: &SigningKey, digest: &Digest) -> ApproverSignature {
    ApproverSignature {
        key_id: key_id(&key.public()),
        kind: ED25519.to_owned(),
        signature: key.sign(Domain::Approval, digest),
        authenticator_data: Vec::new(),
        client_data: Vec::new(),
    }
}
