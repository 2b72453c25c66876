//! Public keys of an identity provider (RFC 7517), and the signatures that they verify (RFC 7518).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// Most keys of one provider that are looked at.
const MOST: usize = 64;

/// An algorithm that is accepted. `none` and the symmetric ones are not: with them whoever knows what is public signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    /// The hash that `at_hash` is made with; Core does not say which it is for `EdDSA`.
    pub fn hash(self) -> Option<&'static ring::digest::Algorithm> {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 => Some(&ring::digest::SHA256),
            Self::Rs384 | Self::Es384 => Some(&ring::digest::SHA384),
            Self::Rs512 => Some(&ring::digest::SHA512),
            Self::EdDsa => None,
        }
    }

    fn rsa(self) -> Option<&'static signature::RsaParameters> {
        match self {
            Self::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Es256 | Self::Es384 | Self::EdDsa => None,
        }
    }
}

/// A key as it is published. What is not known of it is left out.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    pub kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys that a provider publishes.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Jwks {
    keys: Vec<serde_json::Value>,
}

impl Jwks {
    /// Those that can be read. A provider may publish others for other uses.
    pub fn read(self) -> Vec<Jwk> {
        self.keys.into_iter().take(MOST).filter_map(|key| serde_json::from_value(key).ok()).collect()
    }
}

impl Jwk {
    /// Whether the key may have made a signature with this algorithm.
    pub fn is_for(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        let named = kid.is_none() || self.kid.as_deref() == kid;
        let signs = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let same = self.alg.as_deref().is_none_or(|alg| Algorithm::from_name(alg) == Some(algorithm));
        let kind = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => algorithm.rsa().is_some(),
            ("EC", Some("P-256")) => algorithm == Algorithm::Es256,
            ("EC", Some("P-384")) => algorithm == Algorithm::Es384,
            ("OKP", Some("Ed25519")) => algorithm == Algorithm::EdDsa,
            _ => false,
        };
        named && signs && same && kind
    }

    /// Whether the signature is the key's.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], made: &[u8]) -> bool {
        self.try_verify(algorithm, message, made).is_some()
    }

    fn try_verify(&self, algorithm: Algorithm, message: &[u8], made: &[u8]) -> Option<()> {
        if let Some(parameters) = algorithm.rsa() {
            let (n, e) = (part(self.n.as_ref())?, part(self.e.as_ref())?);
            // Some write a leading zero, which ring takes for a number that is not in its one form.
            let n = n.strip_prefix(&[0]).unwrap_or(&n);
            return RsaPublicKeyComponents { n, e: &e }.verify(parameters, message, made).ok();
        }
        let x = part(self.x.as_ref())?;
        let (kind, key): (&dyn signature::VerificationAlgorithm, Vec<u8>) = match algorithm {
            Algorithm::EdDsa => (&signature::ED25519, x),
            Algorithm::Es384 => (&signature::ECDSA_P384_SHA384_FIXED, point(&x, &part(self.y.as_ref())?)),
            _ => (&signature::ECDSA_P256_SHA256_FIXED, point(&x, &part(self.y.as_ref())?)),
        };
        UnparsedPublicKey::new(kind, key).verify(message, made).ok()
    }
}

fn part(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// A point, not compressed (SEC 1, 2.3.3).
fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}
