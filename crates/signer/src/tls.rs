//! Mutual TLS between a server and a signer on another host: version 1.3 alone, a certificate on both sides, from an
//! authority that is named by a file and not by the system.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::file;

/// One side's own certificate, and the authority of the other side's; PEM.
#[derive(Clone, Debug)]
pub struct Files {
    /// The chain, the own certificate first.
    pub certificate: PathBuf,
    /// Its private key; nobody but its owner may read it.
    pub key: PathBuf,
    /// Who issues the other side's certificate.
    pub authority: PathBuf,
}

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not what it should be.
    #[error("{path} cannot be used for TLS: {problem}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The private key may be read by others, or not at all.
    #[error(transparent)]
    Key(#[from] file::Error),
    /// Certificate and key do not fit.
    #[error("the certificate and its key cannot be used")]
    Rustls(#[from] rustls::Error),
    /// No verifier can be built on the authority.
    #[error("the authority's certificate cannot be used")]
    Authority(#[from] rustls::server::VerifierBuilderError),
}

/// The signer's side.
pub(crate) fn server(files: &Files) -> Result<Arc<ServerConfig>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots(files)?), Arc::clone(&provider))
            .build()?;
    let (chain, key) = own(files)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    // One connection for days.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The server's side.
pub(crate) fn client(files: &Files) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (chain, key) = own(files)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(files)?)
        .with_client_auth_cert(chain, key)?;
    Ok(Arc::new(config))
}

fn roots(files: &Files) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.authority)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn own(files: &Files) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let bytes = file::read(&files.key)?.unwrap_or_default();
    let failed = failed(&files.key);
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(failed)?;
    Ok((certificates(&files.certificate)?, key))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all = CertificateDer::pem_file_iter(path)
        .map_err(failed(path))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed(path))?;
    if all.is_empty() {
        return Err(Error::File { path: path.to_owned(), problem: "it holds no certificate".to_owned() });
    }
    Ok(all)
}

fn failed(path: &Path) -> impl FnOnce(rustls::pki_types::pem::Error) -> Error + use<> {
    let path = path.to_owned();
    move |error| Error::File { path, problem: error.to_string() }
}
