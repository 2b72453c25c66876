//! Secrets that the database holds sealed: a copy of the database alone opens none of them.
//!
//! AES-256-GCM under a key derived from the server's secret file for one purpose. A sealed text is a random nonce of
//! twelve bytes, the ciphertext, and the tag; it opens for the purpose that it was sealed for and no other.

use quell_engine::Secrets;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

fn key(secrets: &Secrets, purpose: &str) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, &secrets.key(purpose)).ok().map(LessSafeKey::new)
}

/// Seals bytes; `None` when the system gives no randomness.
pub(crate) fn seal(secrets: &Secrets, purpose: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).ok()?;
    let mut sealed = bytes.to_vec();
    let aad = Aad::from(purpose.as_bytes());
    key(secrets, purpose)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
        .ok()?;
    Some([&nonce[..], &sealed].concat())
}

/// Opens what was sealed for this purpose by this server; `None` for anything else.
pub(crate) fn open(secrets: &Secrets, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut bytes = sealed.to_vec();
    let aad = Aad::from(purpose.as_bytes());
    let length = key(secrets, purpose)?.open_in_place(nonce, aad, &mut bytes).ok()?.len();
    bytes.truncate(length);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn it_opens_for_its_purpose_on_its_server_alone() {
        let secrets = Secrets::new(&[7; 32]);
        let sealed = seal(&secrets, "totp", b"secret").unwrap();
        assert_eq!(open(&secrets, "totp", &sealed).unwrap(), b"secret");
        assert_ne!(sealed, seal(&secrets, "totp", b"secret").unwrap());
        assert!(open(&secrets, "mail", &sealed).is_none());
        assert!(open(&Secrets::new(&[8; 32]), "totp", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut edited = sealed.clone();
            edited[at] ^= 1;
            assert!(open(&secrets, "totp", &edited).is_none(), "{at}");
        }
        assert!(open(&secrets, "totp", &[]).is_none() && open(&secrets, "totp", &sealed[..20]).is_none());
    }
}
