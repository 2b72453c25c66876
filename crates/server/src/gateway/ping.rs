//! The self-test of an isolated endpoint: proves that it reaches this server, and not something that answers for it.

use http::{HeaderMap, StatusCode};
use quell_wire::path::NONCE;

use super::reply::{self, Refused, Reply};

/// Longest nonce that is echoed, bytes.
const MOST: usize = 128;

/// Answers 204 with the nonce that was sent. Open to strangers: it says nothing that TLS did not say.
pub fn answer(headers: &HeaderMap) -> Result<Reply, Refused> {
    let nonce = headers.get(NONCE).filter(|nonce| nonce.len() <= MOST).ok_or_else(|| {
        Refused::new(StatusCode::BAD_REQUEST, "malformed", "the nonce is missing or longer than 128 bytes")
    })?;
    Ok(reply::header(StatusCode::NO_CONTENT, NONCE, nonce.clone()))
}
