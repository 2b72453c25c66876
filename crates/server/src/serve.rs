//! The people's port on the wire: accepted connections, bounded in number and time, with TLS or without.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::auth::Peer;
use crate::state::App;

/// The head of a request may be this long, in bytes.
const HEAD: usize = 64 << 10;
/// Requests under way at a shutdown have this long.
const FAREWELL: Duration = Duration::from_secs(5);
/// After a failed accept (no descriptor left), before the next.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stopping` says so, then lets what is under way finish, for a while.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    app: App,
    mut stopping: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(app.limits.connections));
    let neighbours =
        Arc::new(Neighbours { most: app.limits.connections_per_address, count: Mutex::default() });
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Beyond the bounds a connection is closed at once: that costs less than to explain it.
        let Ok(permit) = Arc::clone(&places).try_acquire_owned() else { continue };
        let Some(guest) = neighbours.enter(peer.ip()) else { continue };
        let place = Place { app: app.clone(), _permit: permit, _guest: guest };
        place.app.metrics.connections.inc();
        let _ = stream.set_nodelay(true);
        tokio::spawn(connection(stream, peer, tls.clone(), router.clone(), graceful.watcher(), place));
    }
    drop(listener);
    if tokio::time::timeout(FAREWELL, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests that did not finish were cut off");
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    watcher: Watcher,
    place: Place,
) {
    let (head_time, stopping) = (place.app.limits.head_time, place.app.stopping.clone());
    match tls {
        None => http(stream, peer, router, watcher, head_time, stopping).await,
        Some(tls) => match tokio::time::timeout(head_time, tls.accept(stream)).await {
            Ok(Ok(stream)) => http(stream, peer, router, watcher, head_time, stopping).await,
            Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
        },
    }
    drop(place);
}

async fn http<S>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
    head_time: Duration,
    mut stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        inner.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stopped(&mut stopping) => {
            // A request under way is answered, no further one is read.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // Whoever waits for all connections waits for this one until here.
    drop(watcher);
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}

/// Until the server stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// One connection's place among all; given back when dropped.
struct Place {
    app: App,
    _permit: OwnedSemaphorePermit,
    _guest: Guest,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.app.metrics.connections.dec();
    }
}

/// Connections by address.
struct Neighbours {
    most: usize,
    count: Mutex<HashMap<IpAddr, usize>>,
}

struct Guest {
    of: Arc<Neighbours>,
    address: IpAddr,
}

impl Neighbours {
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Guest> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = count.entry(address).or_default();
        if *mine >= self.most {
            return None;
        }
        *mine += 1;
        Some(Guest { of: Arc::clone(self), address })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut count = self.of.count.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = count.get_mut(&self.address) {
            *mine -= 1;
            if *mine == 0 {
                count.remove(&self.address);
            }
        }
    }
}
