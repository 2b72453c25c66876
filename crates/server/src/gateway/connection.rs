//! One connection: TLS, who it is, HTTP/1.1. It ends when it becomes a session, which is a task of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::admission::{AgentPlace, StrangerPlace};
use super::{Shared, route};
use crate::pki::PeerIdentity;

/// All that a stranger may do takes this long.
const STRANGER: Duration = Duration::from_secs(30);
/// Bytes of a stranger's request head.
const STRANGER_BUFFER: usize = 16 << 10;
/// The same of an agent, which may be sending a file.
const AGENT_BUFFER: usize = 128 << 10;

/// What the requests of a connection share.
#[derive(Debug)]
pub struct Connection {
    /// Where it comes from.
    pub remote: SocketAddr,
    /// Who it is; `None` for a stranger.
    pub peer: Option<PeerIdentity>,
    place: Mutex<Option<AgentPlace>>,
}

impl Connection {
    /// Takes the identity's place along into what outlives the connection.
    pub fn take_place(&self) -> Option<AgentPlace> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Serves a connection to its end.
pub async fn serve(shared: Arc<Shared>, stream: TcpStream, remote: SocketAddr, place: StrangerPlace) {
    let Some(tls) = handshake(&shared, stream).await else { return };
    let certificate = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let peer = match certificate.map(|der| PeerIdentity::from_certificate(der)).transpose() {
        Ok(peer) => peer,
        Err(error) => {
            tracing::warn!(%remote, %error, "a certificate of ours is used for what it is not for");
            return;
        }
    };
    if let Some(peer) = peer {
        drop(place);
        let Some(place) = shared.admission.agent(peer.endpoint) else {
            tracing::warn!(%remote, endpoint.id = %peer.endpoint, "too many connections of one endpoint");
            return;
        };
        let connection = Connection { remote, peer: Some(peer), place: Mutex::new(Some(place)) };
        Box::pin(serve_http(shared, tls, connection)).await;
    } else {
        let connection = Connection { remote, peer: None, place: Mutex::default() };
        let _ = tokio::time::timeout(STRANGER, Box::pin(serve_http(shared, tls, connection))).await;
        drop(place);
    }
}

async fn handshake(shared: &Shared, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    // Orders and outcomes are small and awaited: never held back to fill a segment.
    let _ = stream.set_nodelay(true);
    let accepting = TlsAcceptor::from(Arc::clone(&shared.tls)).accept(stream);
    // Boxed, as the state of a handshake is several times that of the connection which remains of it.
    match tokio::time::timeout(shared.settings.handshake, Box::pin(accepting)).await {
        Ok(Ok(tls)) => Some(tls),
        Ok(Err(error)) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "a handshake failed");
            None
        }
        Err(_) => None,
    }
}

async fn serve_http(shared: Arc<Shared>, tls: TlsStream<TcpStream>, connection: Connection) {
    let is_known = connection.peer.is_some();
    let connection = Arc::new(connection);
    let service = {
        let shared = Arc::clone(&shared);
        service_fn(move |request| route::answer(Arc::clone(&shared), Arc::clone(&connection), request))
    };
    let mut builder = http1::Builder::new();
    let buffer = if is_known { AGENT_BUFFER } else { STRANGER_BUFFER };
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(shared.settings.handshake)
        .max_buf_size(buffer)
        .max_headers(32);
    let mut http = std::pin::pin!(builder.serve_connection(TokioIo::new(tls), service).with_upgrades());
    let ended = tokio::select! {
        ended = &mut http => ended,
        () = shared.stop.cancelled() => {
            // A request under way is answered, no further one is read.
            http.as_mut().graceful_shutdown();
            http.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke off");
    }
}
