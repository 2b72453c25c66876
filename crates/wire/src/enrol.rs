//! The first contact: a token that lets each side prove itself to the other, and the messages around it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;

use crate::digest::{Digest, sha256};
use crate::limits;
use crate::trust::{Pin, SignedTrustBundle};

const PREFIX: &str = "qle1.";

/// What a person hands to a new endpoint. Printed as `qle1.` and base64url: 128 characters, 182 with a pin. An agent that
/// knows of no pins takes one with a pin for no token, and does not enrol without what it was to pin.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Known to the server as its SHA-256 only.
    pub secret: [u8; 32],
    /// SHA-256 of the CA certificate (DER): the agent accepts no other server.
    pub ca: Digest,
    /// SHA-256 of the order key: the agent accepts no other orders.
    pub order_key: Digest,
    /// The tenant's root of trust: the agent enrols with a bundle that it signed, or not at all.
    pub trust: Option<Pin>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Token(***)")
    }
}

impl Token {
    /// The text form.
    pub fn to_text(&self) -> String {
        let mut bytes = [self.secret, self.ca, self.order_key].concat();
        if let Some(pin) = &self.trust {
            bytes.extend(pin.root);
            bytes.extend(pin.serial.to_be_bytes());
        }
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads the text form; `None` where it is not one.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim().strip_prefix(PREFIX)?).ok()?;
        let (secret, rest) = bytes.split_first_chunk::<32>()?;
        let (ca, rest) = rest.split_first_chunk::<32>()?;
        let (order_key, rest) = rest.split_first_chunk::<32>()?;
        let trust = match rest.split_first_chunk::<32>() {
            Some((root, serial)) => {
                Some(Pin { root: *root, serial: u64::from_be_bytes(serial.try_into().ok()?) })
            }
            None if rest.is_empty() => None,
            None => return None,
        };
        Some(Self { secret: *secret, ca: *ca, order_key: *order_key, trust })
    }

    /// What the server keeps of it.
    pub fn secret_hash(&self) -> Digest {
        secret_hash(&self.secret)
    }
}

/// What the server keeps of a token's secret.
pub fn secret_hash(secret: &[u8]) -> Digest {
    sha256(&[b"quell/enrolment-token/v1\0", secret])
}

/// A new endpoint asks to be taken in.
#[derive(Clone, PartialEq, Eq, Message)]
#[prost(skip_debug)]
pub struct EnrolRequest {
    /// The token's secret.
    #[prost(bytes = "vec", tag = "1")]
    pub secret: Vec<u8>,
    /// PKCS#10 request for the agent's Ed25519 key, DER. Its subject is ignored.
    #[prost(bytes = "vec", tag = "2")]
    pub csr: Vec<u8>,
    /// Fingerprint of the machine.
    #[prost(bytes = "vec", tag = "3")]
    pub machine: Vec<u8>,
    /// Version of the agent.
    #[prost(string, tag = "4")]
    pub agent_version: String,
    /// Facts, JSON.
    #[prost(bytes = "vec", tag = "5")]
    pub facts: Vec<u8>,
}

impl std::fmt::Debug for EnrolRequest {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "EnrolRequest(agent {})", self.agent_version)
    }
}

/// The endpoint is taken in.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct EnrolResponse {
    /// Its tenant.
    #[prost(string, tag = "1")]
    pub tenant_id: String,
    /// Its id.
    #[prost(string, tag = "2")]
    pub endpoint_id: String,
    /// Its certificate, DER.
    #[prost(bytes = "vec", tag = "3")]
    pub certificate: Vec<u8>,
    /// The CA's certificate, DER; its SHA-256 stands in the token.
    #[prost(bytes = "vec", tag = "4")]
    pub ca: Vec<u8>,
    /// An encoded [`crate::keys::KeySet`]; the token names one of its keys.
    #[prost(bytes = "vec", tag = "5")]
    pub order_keys: Vec<u8>,
    /// When the certificate ends, microseconds since 1970.
    #[prost(int64, tag = "6")]
    pub not_after_us: i64,
    /// Where the gateway can be reached, `address:port`.
    #[prost(string, repeated, tag = "7")]
    pub addresses: Vec<String>,
    /// The tenant's trust bundles, oldest first: those that rotated the root, and the one in force.
    #[prost(message, repeated, tag = "8")]
    pub trust: Vec<SignedTrustBundle>,
}

/// A known agent asks for its next certificate. The connection's certificate says who it is.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RenewRequest {
    /// PKCS#10 request, DER, for the same key as before.
    #[prost(bytes = "vec", tag = "1")]
    pub csr: Vec<u8>,
}

/// The next certificate.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RenewResponse {
    /// The certificate, DER.
    #[prost(bytes = "vec", tag = "1")]
    pub certificate: Vec<u8>,
    /// When it ends, microseconds since 1970.
    #[prost(int64, tag = "2")]
    pub not_after_us: i64,
}

/// The answer to a request on the agents' port that was refused.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Problem {
    /// Stable code.
    #[prost(string, tag = "1")]
    pub code: String,
    /// A sentence for a person.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// Reads a message of a request's body, which may have [`limits::ENROL`] bytes, or of an answer's.
pub fn decode<T: Message + Default>(body: &[u8]) -> Option<T> {
    (body.len() <= limits::ENROL_ANSWER).then(|| T::decode(body).ok()).flatten()
}
