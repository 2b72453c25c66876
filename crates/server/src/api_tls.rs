//! TLS of the people's port: from given files, or issued by the server's own authority.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quell_engine::Clock;
use quell_wire::path::GATEWAY_NAME;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::{ApiTls, TlsFiles};
use crate::pki::{self, Authority, GatewayCertificate};
use crate::tls;

/// Browsers refuse longer lives.
const LIFE: Duration = Duration::from_hours(90 * 24);

/// TLS of the people's port cannot be set up.
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
    /// No certificate could be issued.
    #[error("no certificate could be issued for the people's port")]
    Issue(#[from] pki::Error),
    /// The names are not acceptable.
    #[error("a certificate of the people's port needs at least one name, and must not name {GATEWAY_NAME}")]
    Names,
    /// Certificate and key do not fit.
    #[error("the certificate and its key cannot be used")]
    Rustls(#[from] rustls::Error),
}

/// What accepts connections of people.
pub(crate) fn acceptor(
    wanted: &ApiTls,
    authority: &Arc<Authority>,
    clock: &Arc<dyn Clock>,
) -> Result<TlsAcceptor, Error> {
    let provider = tls::provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth();
    let mut config = match wanted {
        ApiTls::Files(files) => {
            let (chain, key) = read(files)?;
            builder.with_single_cert(chain, key)?
        }
        ApiTls::Own { names } => {
            // A person's port must not hold a certificate that an agent would take for the gateway's.
            if names.is_empty() || names.iter().any(|name| name.eq_ignore_ascii_case(GATEWAY_NAME)) {
                return Err(Error::Names);
            }
            let certificate = GatewayCertificate::with(
                Arc::clone(authority),
                provider,
                names.clone(),
                LIFE,
                Arc::clone(clock),
            )?;
            builder.with_cert_resolver(Arc::new(certificate))
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn read(files: &TlsFiles) -> Result<Pair, Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error: rustls::pki_types::pem::Error| Error::File { path, problem: error.to_string() }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .map_err(failed(&files.certificate))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed(&files.certificate))?;
    if chain.is_empty() {
        return Err(Error::File {
            path: files.certificate.clone(),
            problem: "it holds no certificate".to_owned(),
        });
    }
    crate::directory::check_private(&files.key)
        .map_err(|problem| Error::File { path: files.key.clone(), problem: problem.to_string() })?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(failed(&files.key))?;
    Ok((chain, key))
}
