//! The tokens of sessions: how they are written, made and recognised.
//!
//! `qs_` + 43 characters of base64url (256 random bits); only the SHA-256 of the text is stored. A browser holds it in
//! a cookie that no script reads and no other site's page sends.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use quell_wire::digest::{Digest, sha256};
use ring::rand::{SecureRandom, SystemRandom};

const MARK: &str = "qs_";
const LENGTH: usize = MARK.len() + 43;
/// The cookie's name over TLS: browsers take it from the host itself alone, and for every path.
const SECURE: &str = "__Host-quell";
/// The cookie's name without TLS, which is for loopback.
const PLAIN: &str = "quell";

/// A new token. Prints nothing of itself.
pub(crate) struct NewToken {
    /// Shown once, or set as a cookie.
    pub text: String,
    /// What is stored.
    pub hash: Digest,
}

/// Makes a token; `None` when the system gives no randomness.
pub(crate) fn generate() -> Option<NewToken> {
    let mut random = [0; 32];
    SystemRandom::new().fill(&mut random).ok()?;
    let text = format!("{MARK}{}", URL_SAFE_NO_PAD.encode(random));
    let hash = sha256(&[text.as_bytes()]);
    Some(NewToken { text, hash })
}

/// Whether a text has the form of a token.
pub(crate) fn is_token(text: &str) -> bool {
    text.len() == LENGTH && text.starts_with(MARK)
}

/// The token in the cookies, if one has the form. Over TLS only that of our own host is looked at: a page of a sibling
/// domain can plant any other.
pub(crate) fn cookie(headers: &HeaderMap, is_tls: bool) -> Option<&str> {
    let cookies = || headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = || cookies().flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let named = |wanted: &str| {
        pairs().find(|(name, token)| *name == wanted && is_token(token)).map(|(_, token)| token)
    };
    named(if is_tls { SECURE } else { PLAIN })
}

/// The header that gives a browser its token, or takes it (`None`).
pub(crate) fn set_cookie(token: Option<&str>, max_age_s: i64, is_tls: bool) -> Option<HeaderValue> {
    let (name, secure) = if is_tls { (SECURE, "; Secure") } else { (PLAIN, "") };
    let age = if token.is_some() { max_age_s } else { 0 };
    let token = token.unwrap_or_default();
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}");
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_token_is_found_among_other_cookies() {
        let token = generate().unwrap();
        assert!(is_token(&token.text) && !is_token("qs_") && !is_token(&token.text[1..]));
        let mut headers = HeaderMap::new();
        assert_eq!(cookie(&headers, true), None);
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; quell=short"));
        headers.append(header::COOKIE, format!("x=1;  __Host-quell={}", token.text).parse().unwrap());
        assert_eq!(cookie(&headers, true), Some(token.text.as_str()));
        assert_eq!(cookie(&headers, false), None);
    }

    #[test]
    fn cookies_are_for_our_own_pages_alone() {
        let set = set_cookie(Some("qs_x"), 60, true).unwrap();
        assert_eq!(set, "__Host-quell=qs_x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure");
        assert!(set_cookie(None, 60, false).unwrap().to_str().unwrap().contains("Max-Age=0"));
    }
}
