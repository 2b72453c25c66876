//! API keys: how they are written, made and recognised.
//!
//! `qk_` + 12 characters that find the row + `_` + 43 characters of base64url (256 random bits). Only the SHA-256
//! of the whole text is stored: with that much randomness a slow hash would protect nothing more.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quell_store::Micros;
use quell_store::api_key::ApiKey;
use quell_wire::digest::{Digest, sha256};
use ring::rand::{SecureRandom, SystemRandom};

const MARK: &str = "qk_";
/// A prefix that no key has.
const NOBODY: &str = "none";
const PREFIX_LETTERS: usize = 12;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A new key. Prints nothing of itself.
pub struct NewKey {
    /// Shown once.
    pub text: String,
    /// Finds the row.
    pub prefix: String,
    /// What is stored.
    pub hash: Digest,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "NewKey({}…)", self.prefix)
    }
}

/// Makes a key; `None` when the system gives no randomness.
pub fn generate() -> Option<NewKey> {
    let mut random = [0; PREFIX_LETTERS + 32];
    SystemRandom::new().fill(&mut random).ok()?;
    let (letters, secret) = random.split_at(PREFIX_LETTERS);
    let prefix: String =
        MARK.chars().chain(letters.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))).collect();
    let text = format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(secret));
    let hash = sha256(&[text.as_bytes()]);
    Some(NewKey { text, prefix, hash })
}

/// What a request presented, whatever it is.
pub struct Presented {
    prefix: String,
    hash: Digest,
}

impl Presented {
    /// Reads a key. Text that is none becomes one that nobody has, so that all take the same path.
    pub fn parse(text: &str) -> Self {
        let end = MARK.len() + PREFIX_LETTERS;
        let prefix = text
            .get(..end)
            .filter(|prefix| prefix.starts_with(MARK) && prefix.bytes().all(|byte| byte.is_ascii_graphic()))
            .filter(|_| text.len() <= 128 && text.as_bytes().get(end) == Some(&b'_'));
        Self { prefix: prefix.unwrap_or(NOBODY).to_owned(), hash: sha256(&[text.as_bytes()]) }
    }

    /// Whether it has the form of a key.
    pub fn is_key(&self) -> bool {
        self.prefix != NOBODY
    }

    /// What finds the row.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The digest of the whole.
    pub fn hash(&self) -> &Digest {
        &self.hash
    }

    /// The row, if this is its key and it may be used now.
    pub fn check(&self, row: Option<ApiKey>, now: Micros) -> Option<ApiKey> {
        let stored = row.as_ref().map_or([0; 32], |row| row.hash);
        // Every byte is looked at, whatever the first difference.
        let differs = stored.iter().zip(&self.hash).fold(0, |seen, (a, b)| seen | (a ^ b)) != 0;
        row.filter(|row| {
            !differs && row.revoked_at.is_none() && row.expires_at.is_none_or(|expires| expires > now)
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn row(key: &NewKey) -> ApiKey {
        ApiKey {
            tenant_id: uuid::Uuid::nil(),
            id: uuid::Uuid::nil(),
            name: "test".to_owned(),
            prefix: key.prefix.clone(),
            hash: key.hash,
            role: "administrator".to_owned(),
            created_at: 0,
            expires_at: Some(100),
            last_used_at: None,
            revoked_at: None,
            owner: None,
            scope: None,
        }
    }

    #[test]
    fn a_key_is_recognised_until_it_ends() {
        let key = generate().unwrap();
        let presented = Presented::parse(&key.text);
        assert_eq!(presented.prefix(), key.prefix);
        assert!(presented.check(Some(row(&key)), 99).is_some());
        assert!(presented.check(Some(row(&key)), 100).is_none());
        assert!(presented.check(Some(ApiKey { revoked_at: Some(1), ..row(&key) }), 50).is_none());
        assert!(presented.check(None, 50).is_none());
    }

    #[test]
    fn nothing_else_is() {
        let key = generate().unwrap();
        let other = generate().unwrap();
        assert!(Presented::parse(&other.text).check(Some(row(&key)), 1).is_none());
        for text in [
            "",
            "qk_",
            &key.prefix,
            &key.text[..key.text.len() - 1],
            &format!("{}x", key.text),
            "ключ-ключ-ключ-ключ",
        ] {
            assert!(Presented::parse(text).check(Some(row(&key)), 1).is_none(), "{text}");
        }
        assert!(!format!("{key:?}").contains(&key.text));
    }
}
