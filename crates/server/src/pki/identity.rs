//! Who a peer is, read back from the certificate that TLS verified.

use uuid::Uuid;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// What stands in the certificate beside the endpoint's id.
pub(super) fn name(tenant: Uuid, endpoint: Uuid) -> String {
    format!("quell:tenant/{tenant}/endpoint/{endpoint}")
}

/// A certificate under our authority that names no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate names no endpoint")]
pub struct PeerError;

/// Who a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerIdentity {
    /// Its tenant.
    pub tenant: Uuid,
    /// Itself.
    pub endpoint: Uuid,
    /// Its Ed25519 key, 32 bytes.
    pub public_key: [u8; 32],
    /// When its certificate ends, microseconds since 1970.
    pub not_after_us: i64,
}

impl PeerIdentity {
    /// Reads a certificate (DER) whose chain was verified before.
    pub fn from_certificate(der: &[u8]) -> Result<Self, PeerError> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| PeerError)?;
        let mut names =
            certificate.extensions().iter().filter_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
                _ => None,
            });
        let [GeneralName::URI(uri)] = names.next().ok_or(PeerError)?.as_slice() else {
            return Err(PeerError);
        };
        let (tenant, endpoint) = uri
            .strip_prefix("quell:tenant/")
            .and_then(|rest| rest.split_once("/endpoint/"))
            .ok_or(PeerError)?;
        let (tenant, endpoint) = (id(tenant)?, id(endpoint)?);
        let common = certificate.subject().iter_common_name().next().and_then(|cn| cn.as_str().ok());
        // Two places that say the same: a certificate made for another purpose would not.
        if common != Some(endpoint.to_string().as_str()) || name(tenant, endpoint) != *uri {
            return Err(PeerError);
        }
        let public_key = certificate.public_key().subject_public_key.data.as_ref();
        Ok(Self {
            tenant,
            endpoint,
            public_key: public_key.try_into().map_err(|_| PeerError)?,
            not_after_us: certificate.validity().not_after.timestamp().saturating_mul(1_000_000),
        })
    }
}

fn id(text: &str) -> Result<Uuid, PeerError> {
    text.parse().map_err(|_| PeerError)
}
