//! Whom the agent speaks to: a gateway under the one CA that it pinned, whatever address it dialled.

use std::sync::Arc;

use quell_wire::digest::{Digest, sha256};
use quell_wire::path::GATEWAY_NAME;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, PeerIncompatible, RootCertStore,
    SignatureScheme, version,
};

/// Chains longer than this are not looked at.
const LONGEST_CHAIN: usize = 8;

/// Why no configuration could be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare TLS with this agent's key and certificate")]
pub struct Error(#[source] rustls::Error);

/// The peer is not the gateway that was pinned.
#[derive(Debug, thiserror::Error)]
#[error("the server's certificate is not under the CA that this agent was enrolled with")]
struct OtherCa;

/// Accepts a certificate for [`GATEWAY_NAME`] under the CA with this SHA-256, and nothing else: no public CA,
/// no other name.
#[derive(Debug)]
pub struct Pinned {
    ca: Digest,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    /// Pins the CA certificate (its SHA-256 over the DER). The gateway sends it in its chain.
    pub fn new(ca: Digest) -> Self {
        Self { ca, provider: Arc::new(ring::default_provider()) }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let other = || CertificateError::Other(OtherError(Arc::new(OtherCa)));
        let chain = intermediates.iter().take(LONGEST_CHAIN);
        let ca = chain.into_iter().find(|cert| sha256(&[cert]) == self.ca).ok_or_else(other)?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|_| other())?;
        let name = ServerName::try_from(GATEWAY_NAME).map_err(|_| other())?;
        verifier.verify_server_cert(end_entity, intermediates, &name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A client configuration: TLS 1.3 only, the CA pinned, with a certificate once there is one.
pub fn config(ca: Digest, identity: Option<(&[u8], &[u8])>) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .map_err(Error)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned::new(ca)));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from(certificate.to_vec())];
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec()));
            builder.with_client_auth_cert(chain, key).map_err(Error)?
        }
    };
    // A resumed session would skip the check of the certificate that a revocation relies on.
    config.resumption = Resumption::disabled();
    // The name is not sent to whoever listens on the way; the verifier supplies it.
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// The name given to the TLS library; the verifier checks its own.
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from(GATEWAY_NAME)
        .unwrap_or_else(|_| ServerName::from(std::net::IpAddr::from([0, 0, 0, 0])))
}
