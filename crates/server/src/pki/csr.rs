//! A certificate request of a stranger: what of it is believed, and what is not.

use quell_wire::limits;
use ring::signature::{ED25519, UnparsedPublicKey};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

/// RFC 8410: id-Ed25519.
const ED25519_OID: &str = "1.3.101.112";

/// A request that is not acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Not a certification request (RFC 2986) in DER, or too long.
    #[error("the certificate request is malformed")]
    Malformed,
    /// Another kind of key than Ed25519.
    #[error("the certificate request is not for an Ed25519 key")]
    Algorithm,
    /// Not signed with the key that it names: the requester does not hold that key.
    #[error("the certificate request is not signed with its own key")]
    Signature,
}

/// What is believed of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requested {
    /// The key with its algorithm, DER.
    pub spki: Vec<u8>,
    /// The key itself, 32 bytes.
    pub public_key: Vec<u8>,
}

/// Reads a request (DER), and checks that the requester holds the key.
pub fn check(der: &[u8]) -> Result<Requested, CsrError> {
    if der.len() > limits::CSR {
        return Err(CsrError::Malformed);
    }
    let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?;
    if !rest.is_empty() {
        return Err(CsrError::Malformed);
    }
    let info = &request.certification_request_info;
    let key = &info.subject_pki;
    let is_ed25519 = |algorithm: &x509_parser::x509::AlgorithmIdentifier<'_>| {
        algorithm.algorithm.to_id_string() == ED25519_OID && algorithm.parameters.is_none()
    };
    let public_key = key.subject_public_key.data.as_ref();
    if !is_ed25519(&key.algorithm) || !is_ed25519(&request.signature_algorithm) || public_key.len() != 32 {
        return Err(CsrError::Algorithm);
    }
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(info.raw, &request.signature_value.data)
        .map_err(|_| CsrError::Signature)?;
    Ok(Requested { spki: key.raw.to_vec(), public_key: public_key.to_vec() })
}
