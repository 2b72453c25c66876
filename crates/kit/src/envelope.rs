//! The signature around a kit: a word that says what it is, who signed, the signature, then everything that was signed.

use quell_wire::SigningKey;
use quell_wire::keys::{Domain, verify};

use crate::Error;

/// Bytes of a signed kit at most: 64 MiB.
pub const MOST_BYTES: usize = 64 << 20;
const MAGIC: &[u8; 8] = b"QUELLKT1";
const KEY: usize = 32;
const SIGNATURE: usize = 64;
/// Bytes before what was signed.
const HEAD: usize = MAGIC.len() + KEY + SIGNATURE;

/// A kit with its signature, which nobody has looked at yet.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'k> {
    /// The Ed25519 public key that it says signed it.
    pub key: &'k [u8],
    signature: &'k [u8],
    /// The archive.
    pub payload: &'k [u8],
}

/// Takes a kit apart.
///
/// # Errors
/// It is no signed kit, or too long for one. Whether its signature holds says [`Signed::is_by`].
pub fn open(bytes: &[u8]) -> Result<Signed<'_>, Error> {
    if bytes.len() > MOST_BYTES {
        return Err(Error::TooLarge(format!("it has more than {} MiB", MOST_BYTES >> 20)));
    }
    if bytes.len() < HEAD || !bytes.starts_with(MAGIC) {
        return Err(Error::Unsigned);
    }
    let (head, payload) = bytes.split_at(HEAD);
    let (key, signature) = head[MAGIC.len()..].split_at(KEY);
    Ok(Signed { key, signature, payload })
}

impl Signed<'_> {
    /// Whether this very key signed it, whatever the kit itself says.
    pub fn is_by(&self, key: &[u8]) -> bool {
        self.key == key && verify(key, Domain::Kit, self.payload, self.signature)
    }
}

/// Signs an archive.
pub fn sign(key: &SigningKey, payload: &[u8]) -> Vec<u8> {
    [MAGIC.as_slice(), &key.public(), &key.sign(Domain::Kit, payload), payload].concat()
}
