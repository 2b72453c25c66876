//! The code that ends one isolation at the endpoint itself, when no network is left to ask for it.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::pbkdf2;
use serde::{Deserialize, Serialize};

use crate::random;

/// Rounds of PBKDF2 with HMAC-SHA-256: about a tenth of a second, for a code that is long and random anyway.
const ROUNDS: u32 = 200_000;
/// Wrong codes before each further try costs a minute.
const FREE: u32 = 5;
/// Microseconds.
const MINUTE_US: i64 = 60 * 1_000_000;

/// What is kept of the code, and of wrong guesses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    salt: String,
    hash: String,
    rounds: u32,
    failures: u32,
    next_us: i64,
}

/// What a guess came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// It is the code.
    Right,
    /// It is not.
    Wrong,
    /// Too many were wrong; not looked at for so many seconds.
    Wait(i64),
}

impl Release {
    /// Keeps a code as its salted hash. Slow on purpose: call it off the main thread.
    pub fn new(code: &str) -> Result<Self, random::NoRandomness> {
        let salt: [u8; 16] = random::bytes()?;
        let mut hash = [0; 32];
        derive(ROUNDS, &salt, code, &mut hash);
        let (salt, hash) = (STANDARD.encode(salt), STANDARD.encode(hash));
        Ok(Self { salt, hash, rounds: ROUNDS, failures: 0, next_us: 0 })
    }

    /// Looks at a guess and counts it. The caller writes the count down before it answers.
    pub fn guess(&mut self, code: &str, now_us: i64) -> Guess {
        if self.failures >= FREE && now_us < self.next_us {
            // A clock that was set back must not lock the door for longer than a minute.
            let left = (self.next_us - now_us).min(MINUTE_US);
            self.next_us = now_us + left;
            return Guess::Wait((left + 999_999) / 1_000_000);
        }
        let (Ok(salt), Ok(hash), Some(rounds)) =
            (STANDARD.decode(&self.salt), STANDARD.decode(&self.hash), NonZeroU32::new(self.rounds))
        else {
            return Guess::Wrong;
        };
        let plain = normal(code);
        if pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, plain.as_bytes(), &hash).is_ok() {
            return Guess::Right;
        }
        self.failures = self.failures.saturating_add(1);
        self.next_us = now_us.saturating_add(MINUTE_US);
        Guess::Wrong
    }
}

fn derive(rounds: u32, salt: &[u8], code: &str, out: &mut [u8]) {
    let rounds = NonZeroU32::new(rounds).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, normal(code).as_bytes(), out);
}

/// People read codes in groups and type them in either case.
fn normal(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_uppercase).take(256).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them_and_guessing_is_slow() {
        let mut release = Release::new("ABCD-2345-WXYZ").unwrap();
        assert_eq!(release.clone().guess("abcd 2345 wxyz\n", 0), Guess::Right);
        for at in 0..5 {
            assert_eq!(release.guess("ABCD-2345-WXY0", at), Guess::Wrong);
        }
        assert_eq!(release.guess("ABCD-2345-WXYZ", 5), Guess::Wait(60));
        assert_eq!(release.clone().guess("ABCD-2345-WXYZ", MINUTE_US + 5), Guess::Right);
        assert_eq!(release.guess("nope", MINUTE_US + 5), Guess::Wrong);
        assert!(matches!(release.guess("ABCD-2345-WXYZ", MINUTE_US + 6), Guess::Wait(_)));
    }
}
