//! Codes by which a person's program takes over the sign-in that their browser finished: once, within a minute, and only
//! by the program that began it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quell_store::Micros;
use quell_wire::digest::{Digest, sha256};
use uuid::Uuid;

use super::state::random;

/// How long one is good, microseconds.
const LIFE: Micros = 60 * 1_000_000;
/// How many there may be.
const MOST: usize = 1024;

/// Who signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub tenant: Uuid,
    pub person: Uuid,
}

struct Given {
    finished: Finished,
    challenge: String,
    until: Micros,
}

/// The codes that are out. In memory: a server that starts anew asks to begin anew.
#[derive(Default)]
pub(crate) struct Codes {
    given: Mutex<HashMap<Digest, Given>>,
}

impl Codes {
    /// A new code; `None` when the system gives no randomness or too many are out.
    pub fn give(&self, finished: Finished, challenge: &str, now: Micros) -> Option<String> {
        let code = random()?;
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|_, code| code.until > now);
        if given.len() >= MOST {
            return None;
        }
        let row = Given { finished, challenge: challenge.to_owned(), until: now + LIFE };
        given.insert(sha256(&[code.as_bytes()]), row);
        Some(code)
    }

    /// Who signed in, for the program that knows the verifier. A try uses the code up, right or wrong.
    pub fn take(&self, code: &str, verifier: &str, now: Micros) -> Option<Finished> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let found = given.remove(&sha256(&[code.as_bytes()]))?;
        let challenge = URL_SAFE_NO_PAD.encode(sha256(&[verifier.as_bytes()]));
        (challenge == found.challenge && found.until > now).then_some(found.finished)
    }
}

/// Six signs of a challenge, which page and program show, so that a person sees that they belong together.
pub(crate) fn word(challenge: &str) -> String {
    let digest = sha256(&[challenge.as_bytes()]);
    format!("{:02X}{:02X}{:02X}", digest[0], digest[1], digest[2])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_code_is_good_once_for_who_began() {
        let codes = Codes::default();
        let finished = Finished { tenant: Uuid::nil(), person: Uuid::max() };
        let challenge = URL_SAFE_NO_PAD.encode(sha256(&[b"mine"]));
        let code = codes.give(finished, &challenge, 0).unwrap();
        assert_eq!(codes.take(&code, "mine", 1), Some(finished));
        assert_eq!(codes.take(&code, "mine", 1), None);
        let code = codes.give(finished, &challenge, 0).unwrap();
        assert_eq!(codes.take(&code, "theirs", 1), None);
        assert_eq!(codes.take(&code, "mine", 1), None);
        let code = codes.give(finished, &challenge, 0).unwrap();
        assert_eq!(codes.take(&code, "mine", LIFE), None);
    }

    #[test]
    fn their_number_is_bounded() {
        let codes = Codes::default();
        let finished = Finished { tenant: Uuid::nil(), person: Uuid::max() };
        for _ in 0..MOST {
            assert!(codes.give(finished, "c", 0).is_some());
        }
        assert!(codes.give(finished, "c", 0).is_none());
        assert!(codes.give(finished, "c", LIFE).is_some());
    }
}
