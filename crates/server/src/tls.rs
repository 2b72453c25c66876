//! TLS of the agents' port: version 1.3 only, a client certificate where there is one, nothing kept between connections.
//!
//! A client certificate is optional here, because a machine that enrols has none yet; which requests need one
//! is decided where the request is known. One that is given must be ours.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};

use crate::pki::{Authority, GatewayCertificate};

/// How long after its end a certificate may still ask for the next one, and do nothing else. A laptop that was
/// off for two months comes back by itself; what revokes it is the endpoint's state, which is looked up.
pub const RENEWAL_GRACE: Duration = Duration::from_hours(90 * 24);

/// The one place where the program's cryptography is chosen.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// TLS is misconfigured: a fault of the program or of the authority's files.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The authority's certificate is no trust anchor.
    #[error("the authority's certificate cannot be a trust anchor")]
    Anchor(#[source] Error),
    /// No verifier can be built on it.
    #[error("client certificates cannot be verified")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// The provider does not speak TLS 1.3.
    #[error("the cryptography provider has no TLS 1.3")]
    Version(#[source] Error),
}

/// The configuration of the agents' port.
pub fn gateway_config(
    authority: &Authority,
    certificate: Arc<GatewayCertificate>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<ServerConfig>, SetupError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).map_err(SetupError::Anchor)?;
    let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(SetupError::Version)?
        .with_client_cert_verifier(Arc::new(AgentVerifier { inner }))
        .with_cert_resolver(certificate);
    // Each agent holds one connection for days: resumption would save little and keep state for all.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Verifies as webpki does, but lets a certificate in that ended a while ago: its end is read again behind it,
/// where the request says whether it may still be used.
#[derive(Debug)]
struct AgentVerifier {
    inner: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for AgentVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.inner.verify_client_cert(end_entity, intermediates, now) {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }))
                if time.as_secs().saturating_sub(not_after.as_secs()) <= RENEWAL_GRACE.as_secs() =>
            {
                self.inner.verify_client_cert(end_entity, intermediates, not_after)
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
