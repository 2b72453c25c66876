//! What a request presents to say who asks: an API key or the token of a session, in a header or a cookie.
//!
//! A cookie is sent by browsers whether the person meant it or not, so a request that changes something, or opens a
//! WebSocket, must say that it comes from our own pages.

use axum::extract::Request;
use http::{HeaderMap, Method, header};
use quell_wire::digest::{Digest, sha256};

use super::{key, session};
use crate::problem::{Code, Problem};

/// A credential of whatever worth. Prints nothing of itself.
pub(crate) enum Presented {
    /// An API key, or what is none.
    Key(key::Presented),
    /// The token of a session.
    Session(Digest),
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Presented(***)")
    }
}

impl Presented {
    /// What the request presents. A header goes before a cookie.
    pub fn of(request: &Request, is_tls: bool) -> Result<Option<Self>, Problem> {
        let bearer = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, text)| text.trim());
        if let Some(text) = bearer {
            return Ok(Some(Self::read(text)));
        }
        let Some(token) = session::cookie(request.headers(), is_tls) else { return Ok(None) };
        if !is_own(request) {
            return Err(Problem::new(Code::CrossSite, "the request comes from another site's page").hint(
                "A session cookie is good for Quell's own pages; programs send `Authorization: Bearer`.",
            ));
        }
        Ok(Some(Self::Session(sha256(&[token.as_bytes()]))))
    }

    fn read(text: &str) -> Self {
        if session::is_token(text) {
            Self::Session(sha256(&[text.as_bytes()]))
        } else {
            Self::Key(key::Presented::parse(text))
        }
    }

    /// The digest of the whole.
    pub fn hash(&self) -> &Digest {
        match self {
            Self::Key(key) => key.hash(),
            Self::Session(hash) => hash,
        }
    }
}

/// Whether a request with a cookie may be one of our own pages'. Reading is harmless: another site does not see the answer.
fn is_own(request: &Request) -> bool {
    let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method())
        && !request.headers().contains_key(header::UPGRADE);
    reads || is_same_origin(request.headers())
}

/// Whether the browser says that the request comes from a page of the same origin. One that says nothing is not believed.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site")
        && site != "same-origin"
    {
        return false;
    }
    let host = text("host");
    let origin = text("origin").and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    match (origin, host) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        (None, _) => text("sec-fetch-site") == Some("same-origin"),
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_our_own_origin_is_ours() {
        let own = [
            headers(&[("host", "quell:8420"), ("origin", "https://quell:8420")]),
            headers(&[("host", "quell:8420"), ("sec-fetch-site", "same-origin")]),
        ];
        let foreign = [
            headers(&[("host", "quell:8420")]),
            headers(&[("host", "quell:8420"), ("origin", "https://evil.example")]),
            headers(&[("host", "quell:8420"), ("origin", "null")]),
            headers(&[("host", "quell:8420"), ("origin", "https://quell:8421")]),
            headers(&[("host", "quell:8420"), ("sec-fetch-site", "cross-site")]),
            headers(&[("host", "quell:8420"), ("sec-fetch-site", "same-site")]),
            headers(&[("host", "quell:8420"), ("sec-fetch-site", "none")]),
            headers(&[
                ("host", "quell:8420"),
                ("origin", "https://quell:8420"),
                ("sec-fetch-site", "cross-site"),
            ]),
            headers(&[("origin", "https://quell:8420")]),
        ];
        assert!(own.iter().all(is_same_origin));
        assert!(!foreign.iter().any(is_same_origin));
    }
}
