//! Who approved a deed, as it travels with the order: names for the record, and detached signatures for endpoints that demand
//! them.
//!
//! What a person approves is an intent, named by its digest. The server's word that somebody approved is enough for an
//! agent without a trust bundle; one that has a bundle reads nothing here but the signatures.

use prost::Message;

use crate::limits;

/// One person's approval of an intent.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Approval {
    /// Who approved: the server's id of the person.
    #[prost(string, tag = "1")]
    pub person_id: String,
    /// Their name at that time.
    #[prost(string, tag = "2")]
    pub name: String,
    /// When, by the server's clock, microseconds since 1970.
    #[prost(int64, tag = "3")]
    pub decided_at_us: i64,
    /// Their own signature over the intent's digest, where they gave one.
    #[prost(message, optional, tag = "4")]
    pub signature: Option<ApproverSignature>,
}

/// An approver's own signature over the digest of an intent.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct ApproverSignature {
    /// Which key of the keyring.
    #[prost(string, tag = "1")]
    pub key_id: String,
    /// `ed25519` or `webauthn`.
    #[prost(string, tag = "2")]
    pub kind: String,
    /// The signature.
    #[prost(bytes = "vec", tag = "3")]
    pub signature: Vec<u8>,
    /// Only with `webauthn`: what the authenticator says.
    #[prost(bytes = "vec", tag = "4")]
    pub authenticator_data: Vec<u8>,
    /// Only with `webauthn`: what the browser says, JSON.
    #[prost(bytes = "vec", tag = "5")]
    pub client_data: Vec<u8>,
}

impl Approval {
    /// Whether every field is within its limit.
    pub fn is_bounded(&self) -> bool {
        !self.person_id.is_empty()
            && self.person_id.len() <= limits::ID
            && self.name.len() <= limits::NAME
            && self.signature.as_ref().is_none_or(ApproverSignature::is_bounded)
    }
}

impl ApproverSignature {
    /// Whether every field is within its limit.
    pub fn is_bounded(&self) -> bool {
        self.key_id.len() <= limits::CODE
            && self.kind.len() <= limits::CODE
            && self.signature.len() <= limits::SIGNATURE
            && self.authenticator_data.len() <= limits::AUTHENTICATOR_DATA
            && self.client_data.len() <= limits::CLIENT_DATA
    }
}
