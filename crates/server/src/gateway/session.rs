//! A session: one agent, one WebSocket, orders out and outcomes in.
//!
//! It is opened in a future that is boxed and gone afterwards ([`open`]); what remains while it idles is a small
//! task that waits for three things: a note from others, the engine's bell, the peer.

mod blocklist;
mod budget;
mod chain;
mod copies;
mod deliver;
mod event;
mod link;
mod open;
mod protection;
mod receive;
mod standing;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use quell_engine::{Change, Listener};
use quell_wire::activity::ChainUpdate;
use quell_wire::frame::FromServer;
use quell_wire::path::SUBPROTOCOL;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use uuid::Uuid;

pub use copies::Copies;

use self::budget::Budget;
use self::link::{Heard, Link};
use super::Shared;
use super::admission::AgentPlace;
use super::admit::admit;
use super::connection::Connection;
use super::reply::{self, Refused, Reply};
use super::sessions::{Mail, Seat, goodbye};

/// Agents per second that come back after a shutdown; the rest is told to wait longer.
const RETURN_RATE: usize = 500;
/// How long sessions have to end at a shutdown.
const FAREWELL: Duration = Duration::from_secs(3);

/// A live session.
struct Session {
    shared: Arc<Shared>,
    seat: Seat,
    _place: Option<AgentPlace>,
    link: Link,
    bell: Listener,
    budget: Budget,
    remote: SocketAddr,
    name: Box<str>,
    probing: Option<(Bytes, oneshot::Sender<()>)>,
    strikes: u32,
    /// The version of the order keys that the agent was told last; the first that there is, it knows from its enrolment.
    keys_told: u64,
    /// Serial of the trust bundle that the agent holds, or was handed since; 0 where it takes none.
    trust_serial: u64,
    /// Updates of chains for which there was no room as yet.
    put_off: VecDeque<ChainUpdate>,
}

/// Whether the session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    End,
}

#[expect(clippy::large_enum_variant, reason = "one at a time, handled at once")]
enum Next {
    Mail,
    Work,
    Heard(Heard),
}

/// Answers the request for a session, and lets it begin once the answer is out.
pub async fn upgrade(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    mut request: Request<Incoming>,
) -> Result<Reply, Refused> {
    // Counted before the look-up: a revocation that comes after it is seen when the session has its seat.
    let revocations = shared.sessions.revocations();
    let admitted = admit(&shared, &connection).await?;
    let accept = handshake(request.headers())?;
    let place = connection.take_place();
    let upgrading = hyper::upgrade::on(&mut request);
    let arriving = open::Arriving { admitted, place, remote: connection.remote, revocations };
    shared.tasks.clone().spawn(begin(shared, upgrading, Box::new(arriving)));
    let mut reply = reply::bytes(StatusCode::SWITCHING_PROTOCOLS, Bytes::new());
    let headers = reply.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(reply)
}

/// RFC 6455 section 4.2.1.
pub(super) fn handshake(headers: &HeaderMap) -> Result<HeaderValue, Refused> {
    let has = |name: HeaderName, wanted: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(wanted))
    };
    let bad = |why| Refused::new(StatusCode::BAD_REQUEST, "malformed", why);
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") {
        return Err(bad("a session is a WebSocket"));
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") || !has(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(bad("a session speaks quell.agent.v1 over WebSocket version 13"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let accept = derive_accept_key(key.ok_or_else(|| bad("the WebSocket key is missing"))?.as_bytes());
    HeaderValue::from_str(&accept).map_err(|_| bad("the WebSocket key is malformed"))
}

async fn begin(shared: Arc<Shared>, upgrading: OnUpgrade, arriving: Box<open::Arriving>) {
    let Ok(upgraded) = upgrading.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>() else {
        tracing::error!("an upgraded connection is of another kind");
        return;
    };
    // A fresh task: this one carries what the upgrade needed, for as long as it lives.
    shared.tasks.clone().spawn(run(shared, arriving, parts.io.into_inner(), parts.read_buf));
}

async fn run(
    shared: Arc<Shared>,
    arriving: Box<open::Arriving>,
    stream: TlsStream<TcpStream>,
    read_already: Bytes,
) {
    let opening = Box::pin(open::open(shared, arriving, stream, read_already));
    let Some(mut session) = opening.await else { return };
    let handle = Arc::clone(session.seat.handle());
    tokio::select! {
        () = handle.ended() => {}
        () = session.live() => {}
    }
    session.left();
}

impl Session {
    async fn live(&mut self) {
        loop {
            let next = tokio::select! {
                biased;
                () = self.seat.handle().rung() => Next::Mail,
                heard = self.link.hear() => Next::Heard(heard),
                () = self.bell.rung() => Next::Work,
            };
            // Boxed: what handling needs is not held while nothing is handled.
            if Box::pin(self.handle(next)).await == Flow::End {
                return;
            }
        }
    }

    async fn handle(&mut self, next: Next) -> Flow {
        match next {
            Next::Mail => self.read_mail().await,
            Next::Work => self.deliver().await,
            Next::Heard(heard) => {
                self.seat.handle().heard_us.store(self.shared.now_us(), Ordering::Relaxed);
                self.hear(heard).await
            }
        }
    }

    async fn hear(&mut self, heard: Heard) -> Flow {
        let size = match &heard {
            Heard::Frame(_, size) => *size,
            Heard::Alive | Heard::Pong(_) => 0,
            Heard::Bad(_) | Heard::Closed => return self.refuse_or_end(heard).await,
        };
        if let Some(wait) = self.budget.spend(size, self.shared.now_us()) {
            tokio::time::sleep(wait.min(Duration::from_secs(5))).await;
        }
        match heard {
            Heard::Frame(frame, _) => self.receive(frame).await,
            Heard::Pong(payload) => {
                if let Some((_, waiting)) = self.probing.take_if(|(expected, _)| *expected == payload) {
                    let _ = waiting.send(());
                }
                Flow::Continue
            }
            Heard::Alive | Heard::Bad(_) | Heard::Closed => Flow::Continue,
        }
    }

    async fn refuse_or_end(&mut self, heard: Heard) -> Flow {
        if let Heard::Bad(why) = heard {
            tracing::warn!(endpoint.id = %self.endpoint(), remote = %self.remote, why, "an agent broke the protocol");
            self.bye("limit", why, 60).await;
        }
        Flow::End
    }

    async fn read_mail(&mut self) -> Flow {
        let Mail { keys, addresses, trust, block_list, chains, chains_due, protection, probe, goodbye } =
            self.seat.handle().take();
        if let Some(goodbye) = goodbye {
            let _ = self.link.say(FromServer::Goodbye(goodbye)).await;
            self.link.close().await;
            return Flow::End;
        }
        if let Some(waiting) = probe {
            let payload = Bytes::copy_from_slice(Uuid::new_v4().as_bytes());
            self.probing = Some((payload.clone(), waiting));
            if self.link.probe(payload).await.is_err() {
                return Flow::End;
            }
        }
        if addresses && self.send_addresses().await.is_err() {
            return Flow::End;
        }
        if trust && self.send_trust().await.is_err() {
            return Flow::End;
        }
        if block_list && self.send_block_list().await.is_err() {
            return Flow::End;
        }
        if protection && self.send_protection().await.is_err() {
            return Flow::End;
        }
        if self.send_closed(chains).await.is_err() {
            return Flow::End;
        }
        if keys && self.send_keys().await.is_err() {
            return Flow::End;
        }
        if chains_due { self.chains_due().await } else { Flow::Continue }
    }

    /// Ends the session with a word to the agent.
    async fn bye(&mut self, code: &str, message: &str, retry_after_s: u32) {
        let _ = self.link.say(FromServer::Goodbye(goodbye(code, message, retry_after_s))).await;
        self.link.close().await;
    }

    fn tenant(&self) -> Uuid {
        self.seat.handle().tenant
    }

    fn endpoint(&self) -> Uuid {
        self.seat.handle().endpoint
    }

    fn left(self: Box<Self>) {
        let (tenant, endpoint, shared) = (self.tenant(), self.endpoint(), Arc::clone(&self.shared));
        tracing::debug!(endpoint.id = %endpoint, "a session ended");
        drop(self);
        shared.engine.changes().tell(Change::Endpoint { tenant, endpoint });
    }
}

/// Says goodbye to all, spread over time so that they do not all come back at once.
pub async fn dismiss_all(shared: &Shared) {
    shared.stop.cancel();
    let all = shared.sessions.all();
    let spread = all.len() / RETURN_RATE;
    for (number, handle) in all.iter().enumerate() {
        let wait = 1 + (number % (spread + 1)) as u32;
        handle.dismiss(goodbye("shutdown", "the server restarts", wait));
    }
    shared.tasks.close();
    let _ = tokio::time::timeout(FAREWELL, shared.tasks.wait()).await;
}
