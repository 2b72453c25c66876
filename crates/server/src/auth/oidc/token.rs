//! Whether an ID token is to be believed (OpenID Connect Core 3.1.3.7, RFC 8725).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::key::{Algorithm, Jwk};

/// The longest token.
const MOST: usize = 64 << 10;
/// How far the provider's clock may be from ours, seconds.
const LEEWAY: i64 = 60;
/// How old a token may be that was asked for a moment ago, seconds.
const OLDEST: i64 = 600;
/// The longest subject (Core, 2).
const SUBJECT: usize = 255;

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    #[error("it is not a signed token")]
    Form,
    #[error("its signature is of a kind that is not accepted")]
    Algorithm,
    #[error("it is signed with a key that the provider does not publish")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("another issuer made it")]
    Issuer,
    #[error("it is for somebody else")]
    Audience,
    #[error("it has expired, or is not of now")]
    Time,
    #[error("it does not belong to this sign-in")]
    Nonce,
    #[error("it does not belong to the access token")]
    AccessToken,
    #[error("its subject is missing or too long")]
    Subject,
}

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
    /// Seconds since the Unix epoch.
    pub now: i64,
    pub access_token: Option<&'a str>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// What a believed token says.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    /// Who.
    pub sub: String,
    aud: Value,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: Option<String>,
    at_hash: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The head of a token, read before it is believed: which key it wants.
pub(super) struct Parsed<'a> {
    algorithm: Algorithm,
    kid: Option<String>,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Parsed<'a> {
    pub fn read(token: &'a str) -> Result<Self, Error> {
        if token.len() > MOST {
            return Err(Error::Form);
        }
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::Form);
        let (signed, signature) = token.rsplit_once('.').ok_or(Error::Form)?;
        let (head, payload) = signed.split_once('.').ok_or(Error::Form)?;
        let header: Header = serde_json::from_slice(&decode(head)?).map_err(|_| Error::Form)?;
        let algorithm = Algorithm::from_name(&header.alg).ok_or(Error::Algorithm)?;
        // An extension that must be understood, and is not.
        if header.crit.is_some() {
            return Err(Error::Algorithm);
        }
        let (payload, signature) = (decode(payload)?, decode(signature)?);
        Ok(Self { algorithm, kid: header.kid, signed, payload, signature })
    }

    /// Whether the token was signed by one of the keys, and says what is expected.
    pub fn verify(&self, keys: &[Jwk], expected: &Expected<'_>) -> Result<Claims, Error> {
        let mut fitting =
            keys.iter().filter(|key| key.is_for(self.algorithm, self.kid.as_deref())).peekable();
        if fitting.peek().is_none() {
            return Err(Error::UnknownKey);
        }
        if !fitting.any(|key| key.verifies(self.algorithm, self.signed.as_bytes(), &self.signature)) {
            return Err(Error::Signature);
        }
        let claims: Claims = serde_json::from_slice(&self.payload).map_err(|_| Error::Form)?;
        claims.check(expected, self.algorithm)?;
        Ok(claims)
    }
}

impl Claims {
    fn check(&self, expected: &Expected<'_>, algorithm: Algorithm) -> Result<(), Error> {
        if self.iss != expected.issuer {
            return Err(Error::Issuer);
        }
        let alone = match &self.aud {
            Value::String(one) => one == expected.client_id,
            Value::Array(list) => match list.as_slice() {
                [one] => one == expected.client_id,
                // For several, it must say that it was made for us.
                several => several.iter().any(|one| one == expected.client_id) && self.azp.is_some(),
            },
            _ => false,
        };
        if !alone || self.azp.as_ref().is_some_and(|party| party != expected.client_id) {
            return Err(Error::Audience);
        }
        let now = expected.now;
        let is_now = self.exp > now - LEEWAY
            && (now - OLDEST..=now + LEEWAY).contains(&self.iat)
            && self.nbf.is_none_or(|from| from <= now + LEEWAY);
        if !is_now {
            return Err(Error::Time);
        }
        if self.nonce.as_deref() != Some(expected.nonce) {
            return Err(Error::Nonce);
        }
        if let (Some(hash), Some(token), Some(kind)) =
            (&self.at_hash, expected.access_token, algorithm.hash())
        {
            let whole = ring::digest::digest(kind, token.as_bytes());
            let half = &whole.as_ref()[..whole.as_ref().len() / 2];
            if *hash != URL_SAFE_NO_PAD.encode(half) {
                return Err(Error::AccessToken);
            }
        }
        if self.sub.is_empty() || self.sub.len() > SUBJECT || self.sub.chars().any(char::is_control) {
            return Err(Error::Subject);
        }
        Ok(())
    }
}
