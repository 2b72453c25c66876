//! Documents for all agents of a tenant, such as a block list's versions: encoded once, signed by an order key, and never
//! read before the signature was found to be good.

use prost::Message;

use crate::keys::{Domain, SigningKey, Trust, key_id, verify};

/// A document of one kind.
pub(crate) trait Document: Message + Default {
    /// Why one is not accepted.
    type Error;
    /// What its signature is for.
    const DOMAIN: Domain;
    /// Bytes of one at most.
    const MOST: usize;
    /// Not a document, or too large.
    const MALFORMED: Self::Error;
    /// Signed by no order key that is trusted.
    const UNSIGNED: Self::Error;

    /// Whether every field is within its limit and means something.
    fn check(&self) -> Result<(), Self::Error>;
}

/// The signature over an encoded document, and the id of the key that signed.
pub(crate) fn sign<D: Document>(key: &SigningKey, bytes: &[u8]) -> (Vec<u8>, String) {
    (key.sign(D::DOMAIN, bytes), key_id(&key.public()))
}

/// The document, signed by a trusted order key and within every limit.
pub(crate) fn open<D: Document>(
    trust: &Trust,
    bytes: &[u8],
    (signature, key_id): (&[u8], &str),
) -> Result<D, D::Error> {
    // What is too large is not worth the reckoning that a signature takes.
    if bytes.len() > D::MOST {
        return Err(D::MALFORMED);
    }
    let key = trust.key(key_id).ok_or(D::UNSIGNED)?;
    if !verify(key, D::DOMAIN, bytes, signature) {
        return Err(D::UNSIGNED);
    }
    read(bytes)
}

/// The document, if every field is within its limit.
pub(crate) fn read<D: Document>(bytes: &[u8]) -> Result<D, D::Error> {
    if bytes.len() > D::MOST {
        return Err(D::MALFORMED);
    }
    let document = D::decode(bytes).map_err(|_| D::MALFORMED)?;
    document.check()?;
    Ok(document)
}
