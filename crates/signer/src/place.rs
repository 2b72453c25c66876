//! Where a server finds its signer.

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::serve::converse;
use crate::service::Service;
use crate::tls;

/// Where a signer is.
#[derive(Clone)]
pub enum Place {
    /// Behind a Unix socket.
    Unix(PathBuf),
    /// On another host.
    Tcp(Box<Remote>),
    /// Within this process, for programs that embed a server: a thread, and the same conversation.
    Inside(Arc<Service>),
}

/// A signer on another host.
#[derive(Clone)]
pub struct Remote {
    address: String,
    name: ServerName<'static>,
    config: Arc<rustls::ClientConfig>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Place({self})")
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
            Self::Tcp(remote) => write!(out, "tcp:{}", remote.address),
            Self::Inside(_) => out.write_str("this process"),
        }
    }
}

/// A place that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The text is none.
    #[error("a signer is at unix:PATH or tcp:HOST:PORT, not {0:?}")]
    Text(String),
    /// TCP without certificates.
    #[error(
        "a signer on another host needs certificates on both sides: a certificate, its key and the signer's authority"
    )]
    Certificates,
    /// TLS.
    #[error(transparent)]
    Tls(#[from] tls::Error),
}

/// A stream to a signer.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Place {
    /// Reads `unix:PATH` or `tcp:HOST:PORT`; the latter with certificates.
    pub fn parse(text: &str, files: Option<&tls::Files>) -> Result<Self, PlaceError> {
        let bad = || PlaceError::Text(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let address = text.strip_prefix("tcp:").ok_or_else(bad)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let _: u16 = port.parse().map_err(|_| bad())?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| bad())?;
        let config = tls::client(files.ok_or(PlaceError::Certificates)?)?;
        Ok(Self::Tcp(Box::new(Remote { address: address.to_owned(), name, config })))
    }

    /// Connects.
    pub(crate) async fn dial(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
            Self::Tcp(remote) => {
                let stream = TcpStream::connect(&remote.address).await?;
                stream.set_nodelay(true)?;
                let connector = TlsConnector::from(Arc::clone(&remote.config));
                Ok(Box::new(connector.connect(remote.name.clone(), stream).await?))
            }
            Self::Inside(service) => {
                let (near, mut far) = StdUnixStream::pair()?;
                let service = Arc::clone(service);
                std::thread::Builder::new().name("signer".to_owned()).spawn(move || {
                    if let Err(error) = converse(&mut far, &service) {
                        tracing::debug!(%error, "a conversation with the signer within ended");
                    }
                    service.settle();
                })?;
                near.set_nonblocking(true)?;
                Ok(Box::new(UnixStream::from_std(near)?))
            }
        }
    }
}
