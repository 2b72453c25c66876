//! WebAuthn assertions as signatures: a passkey signs a digest that was put in the place of the challenge.
//!
//! Our own verifier, since those at hand make the challenge themselves. It follows "Verifying an Authentication Assertion"
//! (Web Authentication Level 2, section 7.2), as far as there is no session and no user handle: what stays is who was asked
//! (rpId), from where (origin), for what (challenge), whether a person was there and proved who they are, and the signature.
//! The sign counter is not looked at: an endpoint sees a few assertions of many.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey};
use serde::Deserialize;

use crate::digest::sha256;
use crate::limits;

/// rpIdHash, flags, counter: what all authenticator data begin with. Bytes.
const HEAD: usize = 37;
const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const ATTESTED: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

/// An assertion, as the browser gave it.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    /// What the authenticator says.
    pub authenticator_data: &'a [u8],
    /// What the browser says, JSON.
    pub client_data: &'a [u8],
    /// Over the one and the SHA-256 of the other.
    pub signature: &'a [u8],
}

/// Where an assertion may come from.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// The relying party's id, a domain.
    pub id: &'a str,
    /// The pages that may have asked, each as the browser writes it: `https://quell.example`.
    pub origins: &'a [String],
}

/// Why an assertion proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A part of it is longer than any honest one.
    #[error("a part of the assertion is beyond its limit")]
    Limit,
    /// The browser's part is not its JSON object.
    #[error("the client data cannot be read")]
    ClientData,
    /// It registers a key, or does something else.
    #[error("the assertion is of another kind")]
    Kind,
    /// It signs something else.
    #[error("the assertion is for something else")]
    Challenge,
    /// Another page asked for it.
    #[error("the assertion was asked for by a page that is not in the list")]
    Origin,
    /// A page within a page of somebody else asked for it.
    #[error("the assertion was asked for within a page of another origin")]
    CrossOrigin,
    /// The authenticator's part is malformed.
    #[error("the authenticator data cannot be read")]
    AuthenticatorData,
    /// It is for another relying party.
    #[error("the assertion is for another relying party")]
    Party,
    /// Nobody touched the authenticator.
    #[error("nobody was present at the authenticator")]
    NotPresent,
    /// The authenticator did not ask who touches it.
    #[error("the authenticator did not verify its user")]
    NotVerified,
    /// Not a key that is understood here.
    #[error("the public key is neither ES256 (P-256) nor EdDSA (Ed25519) in COSE's canonical form")]
    Key,
    /// The signature does not fit.
    #[error("the assertion's signature does not fit")]
    Signature,
}

/// What the browser says. Fields that are not named here may stand there, as the standard demands; one that stands there
/// twice is refused.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    cross_origin: Option<bool>,
    top_origin: Option<String>,
}

/// A public key in COSE's form.
enum Key<'a> {
    /// ECDSA on P-256 with SHA-256; an uncompressed point.
    Es256([u8; 65]),
    /// Ed25519.
    EdDsa(&'a [u8]),
}

impl<'a> Key<'a> {
    /// Reads the canonical encoding (CTAP2), which authenticators must use and which leaves nothing to parse.
    fn read(cose: &'a [u8]) -> Option<Self> {
        // {1: 2 (EC2), 3: -7 (ES256), -1: 1 (P-256), -2: x, -3: y}
        const ES256_X: &[u8] = &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
        const ES256_Y: &[u8] = &[0x22, 0x58, 0x20];
        // {1: 1 (OKP), 3: -8 (EdDSA), -1: 6 (Ed25519), -2: x}
        const EDDSA: &[u8] = &[0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20];
        if let Some(x) = cose.strip_prefix(EDDSA) {
            return (x.len() == 32).then_some(Self::EdDsa(x));
        }
        let (x, rest) = cose.strip_prefix(ES256_X)?.split_at_checked(32)?;
        let y = rest.strip_prefix(ES256_Y).filter(|y| y.len() == 32)?;
        let mut point = [4; 65];
        point[1..33].copy_from_slice(x);
        point[33..].copy_from_slice(y);
        Some(Self::Es256(point))
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok()
            }
            Self::EdDsa(public) => {
                UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
            }
        }
    }
}

/// Whether these bytes are a COSE key that is understood here.
pub fn is_key(cose: &[u8]) -> bool {
    Key::read(cose).is_some()
}

/// Whether the assertion is of the holder of this key, for this party, over this challenge. `cose` is the public key as the
/// authenticator gave it at registration.
pub fn verify(
    assertion: Assertion<'_>,
    cose: &[u8],
    party: Party<'_>,
    challenge: &[u8],
) -> Result<(), Error> {
    let fits = assertion.authenticator_data.len() <= limits::AUTHENTICATOR_DATA
        && assertion.client_data.len() <= limits::CLIENT_DATA
        && assertion.signature.len() <= limits::SIGNATURE;
    if !fits {
        return Err(Error::Limit);
    }
    check_client_data(assertion.client_data, party, challenge)?;
    check_authenticator_data(assertion.authenticator_data, party)?;
    let message = [assertion.authenticator_data, &sha256(&[assertion.client_data])].concat();
    let key = Key::read(cose).ok_or(Error::Key)?;
    if key.verifies(&message, assertion.signature) { Ok(()) } else { Err(Error::Signature) }
}

fn check_client_data(json: &[u8], party: Party<'_>, challenge: &[u8]) -> Result<(), Error> {
    let said: ClientData = serde_json::from_slice(json).map_err(|_| Error::ClientData)?;
    if said.r#type != "webauthn.get" {
        return Err(Error::Kind);
    }
    if said.challenge != URL_SAFE_NO_PAD.encode(challenge) {
        return Err(Error::Challenge);
    }
    if !party.origins.contains(&said.origin) {
        return Err(Error::Origin);
    }
    if said.cross_origin == Some(true) || said.top_origin.is_some() {
        return Err(Error::CrossOrigin);
    }
    Ok(())
}

fn check_authenticator_data(bytes: &[u8], party: Party<'_>) -> Result<(), Error> {
    let (head, extensions) = bytes.split_at_checked(HEAD).ok_or(Error::AuthenticatorData)?;
    let flags = head[32];
    // Attested data belong to a registration; what follows the head is announced.
    if flags & ATTESTED != 0 || (flags & EXTENSIONS != 0) == extensions.is_empty() {
        return Err(Error::AuthenticatorData);
    }
    if head[..32] != sha256(&[party.id.as_bytes()]) {
        return Err(Error::Party);
    }
    if flags & USER_PRESENT == 0 {
        return Err(Error::NotPresent);
    }
    if flags & USER_VERIFIED == 0 {
        return Err(Error::NotVerified);
    }
    Ok(())
}
