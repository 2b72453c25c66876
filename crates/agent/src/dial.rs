//! Connections to the gateway. Every one is made here, with the agent's mark on its socket from the first
//! packet, so that a cut of the network lets exactly these pass.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::proxy::{self, Proxy};
use crate::tls;

/// For the TCP handshake.
const CONNECT: Duration = Duration::from_secs(5);
/// For the proxy's answer and the TLS handshake, together.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For a name server.
const RESOLVE: Duration = Duration::from_secs(5);
/// Addresses kept of one name.
const ADDRESSES: usize = 16;

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address known.
    #[error("{target} has no address")]
    Unresolved {
        /// The name.
        target: String,
        /// The resolver's answer.
        #[source]
        source: io::Error,
    },
    /// TCP failed.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The proxy failed.
    #[error(transparent)]
    Proxy(#[from] proxy::Error),
    /// Another server answered, or one in between.
    #[error("the server at {address} is not the one that this agent was enrolled with")]
    OtherServer {
        /// Who answered.
        address: SocketAddr,
        /// Why its certificate was not accepted.
        #[source]
        source: io::Error,
    },
    /// TLS failed; perhaps the server refused this agent's certificate.
    #[error("TLS with {address} failed")]
    Tls {
        /// With whom.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A connection to the gateway.
#[derive(Debug)]
pub struct Channel {
    /// The encrypted stream.
    pub stream: TlsStream<TcpStream>,
    /// The other end of the TCP connection: the gateway, or the proxy before it.
    pub peer: SocketAddr,
}

/// One way to the gateway: an address to dial, and what to ask a proxy for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where TCP goes.
    pub address: SocketAddr,
    /// The gateway as `host:port`.
    pub target: String,
}

/// Makes connections.
#[derive(Debug)]
pub struct Dialer {
    mark: Option<u32>,
    proxy: Option<Proxy>,
    kept: Mutex<BTreeMap<String, Vec<SocketAddr>>>,
}

impl Dialer {
    /// Marks each socket with `mark`, where there is one, and goes through the proxy, where there is one.
    pub fn new(mark: Option<u32>, proxy: Option<Proxy>) -> Self {
        Self { mark, proxy, kept: Mutex::default() }
    }

    /// The mark on each socket.
    pub fn mark(&self) -> Option<u32> {
        self.mark
    }

    /// Whether a proxy stands between.
    pub fn is_proxied(&self) -> bool {
        self.proxy.is_some()
    }

    /// Ways to these gateways (`host:port` each). Names are asked for and their addresses kept, so that they
    /// are there when no name server is.
    pub async fn routes(&self, targets: &[String]) -> Result<Vec<Route>, Error> {
        let mut routes = Vec::new();
        let mut failure = None;
        if let Some(proxy) = &self.proxy {
            let addresses = self.resolve(&proxy.target).await?;
            for target in targets {
                let through =
                    addresses.iter().map(|address| Route { address: *address, target: target.clone() });
                routes.extend(through);
            }
        } else {
            for target in targets {
                match self.resolve(target).await {
                    Ok(addresses) => routes.extend(
                        addresses.iter().map(|address| Route { address: *address, target: target.clone() }),
                    ),
                    Err(error) => failure = Some(error),
                }
            }
        }
        routes.dedup();
        match failure {
            Some(error) if routes.is_empty() => Err(error),
            _ => Ok(routes),
        }
    }

    /// Addresses that TCP may have to go to, from what is known without asking anybody.
    pub fn known(&self, targets: &[String]) -> Vec<SocketAddr> {
        let kept = self.kept();
        let names = match &self.proxy {
            Some(proxy) => vec![&proxy.target],
            None => targets.iter().collect(),
        };
        let mut addresses: Vec<SocketAddr> = names
            .into_iter()
            .flat_map(|name| match name.parse() {
                Ok(address) => vec![address],
                Err(_) => kept.get(name).cloned().unwrap_or_default(),
            })
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// What names resolved to, for keeping over a restart.
    pub fn kept(&self) -> BTreeMap<String, Vec<SocketAddr>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what an earlier run had kept.
    pub fn keep(&self, kept: BTreeMap<String, Vec<SocketAddr>>) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    async fn resolve(&self, target: &str) -> Result<Vec<SocketAddr>, Error> {
        if let Ok(address) = target.parse() {
            return Ok(vec![address]);
        }
        let answer = match timeout(RESOLVE, lookup_host(target)).await {
            Ok(answer) => answer.map(|found| found.take(ADDRESSES).collect::<Vec<_>>()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(found) if !found.is_empty() => {
                kept.insert(target.to_owned(), found.clone());
                Ok(found)
            }
            failed => kept.get(target).cloned().ok_or_else(|| Error::Unresolved {
                target: target.to_owned(),
                source: failed.err().unwrap_or_else(|| io::ErrorKind::NotFound.into()),
            }),
        }
    }

    /// Dials one route and shakes hands.
    pub async fn connect(&self, route: &Route, tls: Arc<ClientConfig>) -> Result<Channel, Error> {
        let address = route.address;
        let mut tcp = match timeout(CONNECT, self.tcp(address)).await {
            Ok(result) => result,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
        .map_err(|source| Error::Connect { address, source })?;
        let shake = async {
            if let Some(proxy) = &self.proxy {
                proxy.connect(&mut tcp, &route.target).await?;
            }
            let connector = TlsConnector::from(tls);
            connector.connect(tls::server_name(), tcp).await.map_err(|source| {
                let cause = source.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
                match cause {
                    Some(rustls::Error::InvalidCertificate(_)) => Error::OtherServer { address, source },
                    _ => Error::Tls { address, source },
                }
            })
        };
        // Boxed: the state of a handshake is large and would live as long as the caller's.
        let stream = match timeout(HANDSHAKE, Box::pin(shake)).await {
            Ok(result) => result?,
            Err(_) => return Err(Error::Tls { address, source: io::ErrorKind::TimedOut.into() }),
        };
        Ok(Channel { stream, peer: address })
    }

    async fn tcp(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(mark) = self.mark {
            quell_host::isolate::set_mark(&socket, mark)?;
        }
        socket.set_nodelay(true)?;
        socket.connect(address).await
    }
}
