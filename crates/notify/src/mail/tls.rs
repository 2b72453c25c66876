//! TLS with a relay, from the first byte or after STARTTLS, under the system's authorities or those that the tenant named.

use std::{io, sync::Arc};

use lettre::transport::smtp::{
    Error as SmtpError,
    client::{Certificate, CertificateStore, TlsParameters},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::Relay;

/// What STARTTLS goes on with.
pub(super) fn parameters(relay: &Relay) -> Result<TlsParameters, SmtpError> {
    let builder = TlsParameters::builder(relay.host.clone());
    let builder = match &relay.ca {
        None => builder,
        Some(ca) => {
            let authorities = Certificate::from_pem(ca.as_bytes())?;
            builder.certificate_store(CertificateStore::None).add_root_certificate(authorities)
        }
    };
    builder.build_rustls()
}

/// TLS from the first byte.
pub(super) async fn encrypt(relay: &Relay, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = match &relay.ca {
        None => builder.with_platform_verifier().map_err(io::Error::other)?.with_no_client_auth(),
        Some(ca) => builder.with_root_certificates(roots(ca)?).with_no_client_auth(),
    };
    let name = ServerName::try_from(relay.host.clone()).map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The certificates of a PEM text; at least one.
pub(super) fn roots(pem: &str) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    if roots.is_empty() { Err(io::Error::other("no certificate")) } else { Ok(roots) }
}
