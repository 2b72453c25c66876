//! A sign-in that is under way, kept by the browser that began it.
//!
//! It is sealed, so that the browser can neither read nor make it, and it is in a cookie, so that an answer of the
//! provider counts only in the browser that asked: nobody can be signed in by a link that another browser began.
//! Nothing is kept here, so nobody can fill our memory by beginning.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use quell_engine::Secrets;
use quell_store::Micros;
use quell_wire::digest::sha256;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::seal;

/// How long it may take, seconds.
const LIFE_S: i64 = 600;
const PURPOSE: &str = "sso.state";
const SECURE: &str = "__Host-quell-sso";
const PLAIN: &str = "quell-sso";
/// The longest cookie that is opened.
const MOST: usize = 4096;

/// A program of the person that waits for them to sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cli {
    /// Where it listens, on the person's own machine.
    pub port: u16,
    /// SHA-256 of what only it knows, base64url.
    pub challenge: String,
}

/// A sign-in under way.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub tenant: Uuid,
    pub provider: Uuid,
    pub state: String,
    pub nonce: String,
    pub verifier: String,
    /// Where to go then: a path here.
    pub goal: String,
    pub cli: Option<Cli>,
    pub begun_at: Micros,
}

/// 256 random bits, base64url.
pub(crate) fn random() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

impl Pending {
    /// One that begins now; `None` when the system gives no randomness.
    pub fn begin(
        (tenant, provider): (Uuid, Uuid),
        goal: String,
        cli: Option<Cli>,
        now: Micros,
    ) -> Option<Self> {
        let (state, nonce, verifier) = (random()?, random()?, random()?);
        Some(Self { tenant, provider, state, nonce, verifier, goal, cli, begun_at: now })
    }

    /// What the provider is told of the verifier (RFC 7636, S256).
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(&[self.verifier.as_bytes()]))
    }

    /// The header that gives it to the browser.
    pub fn cookie(&self, secrets: &Secrets, is_tls: bool) -> Option<HeaderValue> {
        let bytes = serde_json::to_vec(self).ok()?;
        set_cookie(Some(&URL_SAFE_NO_PAD.encode(seal::seal(secrets, PURPOSE, &bytes)?)), is_tls)
    }

    /// The one that the browser brings back, if it is ours and not too old.
    pub fn of(headers: &HeaderMap, secrets: &Secrets, is_tls: bool, now: Micros) -> Option<Self> {
        let text = cookie_of(headers, is_tls).filter(|text| text.len() <= MOST)?;
        let bytes = seal::open(secrets, PURPOSE, &URL_SAFE_NO_PAD.decode(text).ok()?)?;
        let pending: Self = serde_json::from_slice(&bytes).ok()?;
        (0..LIFE_S * 1_000_000).contains(&(now - pending.begun_at)).then_some(pending)
    }
}

/// The cookie's text.
pub(crate) fn cookie_of(headers: &HeaderMap, is_tls: bool) -> Option<&str> {
    let wanted = if is_tls { SECURE } else { PLAIN };
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, text)| text)
}

/// The header that sets the cookie, or takes it (`None`). It must come along with the provider's redirect, which is
/// another site's: so it is lax where the session's is strict.
pub(crate) fn set_cookie(text: Option<&str>, is_tls: bool) -> Option<HeaderValue> {
    let (name, secure) = if is_tls { (SECURE, "; Secure") } else { (PLAIN, "") };
    let age = if text.is_some() { LIFE_S } else { 0 };
    let text = text.unwrap_or_default();
    HeaderValue::from_str(&format!("{name}={text}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}"))
        .ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn it_comes_back_to_the_server_that_gave_it_and_in_time() {
        let secrets = Secrets::new(&[7; 32]);
        let begun = Pending::begin((Uuid::nil(), Uuid::max()), "/".to_owned(), None, 5).unwrap();
        let set = begun.cookie(&secrets, true).unwrap();
        let text = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("a=b; {text}").parse().unwrap());
        let back = Pending::of(&headers, &secrets, true, 6).unwrap();
        assert_eq!((back.state, back.verifier), (begun.state, begun.verifier));
        assert!(Pending::of(&headers, &secrets, false, 6).is_none(), "a cookie without TLS is another one");
        assert!(Pending::of(&headers, &Secrets::new(&[8; 32]), true, 6).is_none());
        assert!(Pending::of(&headers, &secrets, true, 5 + LIFE_S * 1_000_000).is_none());
        assert!(Pending::of(&headers, &secrets, true, 4).is_none());
    }
}
