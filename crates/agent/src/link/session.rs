//! One session: greeting, then frames both ways until it ends. One task, one timer.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::RETRY_AFTER;
use http_body_util::Full;
use prost::Message as _;
use quell_wire::enrol::Problem;
use quell_wire::frame::{
    FromAgent, FromServer, Goodbye, Hello, OrderRef, Welcome, decode_from_server, encode_from_agent,
};
use quell_wire::path::{GATEWAY_NAME, NONCE, PING, SESSION, SUBPROTOCOL};
use quell_wire::{limits, version};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use super::{Context, End, renew, stopped};
use crate::blocklist::BlockList;
use crate::dial::Route;
use crate::enrol::bounded;
use crate::outbox::Next;
use crate::protection::Protection;
use crate::runner::chain;
use crate::{VERSION, facts, identity, request};

/// A frame must be gone after this, or the peer is dead.
const WRITE: Duration = Duration::from_secs(30);
/// The first answer.
const WELCOME: Duration = Duration::from_secs(20);
/// Buffers of an idle connection. Bytes.
const READ_BUFFER: usize = 4 << 10;
/// Frames that go out together: as much as one TLS record holds. Bytes.
const WRITE_BUFFER: usize = 16 << 10;
/// Frames that are taken before anything is said.
const AT_ONCE: usize = 64;
/// Keep-alives that the server may ask for, seconds.
const KEEP_ALIVE_S: std::ops::RangeInclusive<u32> = 1..=600;

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A session that stands.
pub struct Session {
    socket: Socket,
    keep_alive: Duration,
    takes_recorder_state: bool,
    takes_chains: bool,
}

/// Connects, greets, and waits for the welcome.
pub async fn open(context: &Context, route: &Route) -> Result<Session, End> {
    let lost = |error: &(dyn std::error::Error + 'static)| End::Lost(chain(error));
    let channel =
        context.dialer.connect(route, context.identity.tls()).await.map_err(|error| lost(&error))?;
    let peer = channel.peer;
    let uri: Uri =
        format!("wss://{GATEWAY_NAME}{SESSION}").parse().map_err(|_| End::Lost("bad URI".into()))?;
    let request = ClientRequestBuilder::new(uri).with_sub_protocol(SUBPROTOCOL);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(2 * limits::FRAME)
        .max_message_size(Some(limits::FRAME))
        .max_frame_size(Some(limits::FRAME));
    let upgraded =
        Box::pin(tokio_tungstenite::client_async_with_config(request, channel.stream, Some(config))).await;
    let mut socket = match upgraded {
        Ok((socket, _)) => socket,
        Err(error) => return Err(refused(context, route, &error).await),
    };
    send(&mut socket, FromAgent::Hello(hello(context))).await?;
    let welcome = match timeout(WELCOME, receive(&mut socket)).await {
        Err(_) => return Err(End::Lost("the server did not greet in time".into())),
        Ok(Err(end)) => return Err(end),
        Ok(Ok(FromServer::Welcome(welcome))) => welcome,
        Ok(Ok(FromServer::Goodbye(goodbye))) => return Err(End::Goodbye(goodbye)),
        Ok(Ok(_)) => return Err(End::Lost("the server's first frame was no greeting".into())),
    };
    if !(version::OLDEST..=version::NEWEST).contains(&welcome.protocol) {
        return Err(End::Lost(format!("the server chose protocol {}", welcome.protocol)));
    }
    greet(context, &welcome, peer);
    let keep_alive_s = match welcome.keep_alive_s {
        0 => limits::KEEP_ALIVE_S,
        asked => asked.clamp(*KEEP_ALIVE_S.start(), *KEEP_ALIVE_S.end()),
    };
    Ok(Session {
        socket,
        keep_alive: Duration::from_secs(u64::from(keep_alive_s)),
        takes_recorder_state: welcome.takes_recorder_state,
        takes_chains: welcome.takes_chains,
    })
}

fn hello(context: &Context) -> Hello {
    let mut held = context.runner.held();
    held.truncate(limits::HELD);
    Hello {
        oldest_protocol: version::OLDEST,
        newest_protocol: version::NEWEST,
        agent_version: VERSION.to_owned(),
        machine: context.machine.map_or_else(facts::machine, Vec::from),
        boot_id: facts::boot_id(),
        instance: context.instance.to_vec(),
        capabilities: context.runner.capabilities(),
        facts: (context.facts)(),
        held: held.into_iter().map(|order_id| OrderRef { order_id }).collect(),
        trust_serial: context.identity.approvers().map_or(0, |pinned| pinned.bundle().serial),
        block_list: context.block_list.as_ref().map(BlockList::held),
        protection: context.protection.as_ref().map(Protection::held),
    }
}

fn greet(context: &Context, welcome: &Welcome, peer: std::net::SocketAddr) {
    let now_us = context.clock.now_us();
    let clock_ahead_us = welcome.server_time_us.saturating_sub(now_us);
    if clock_ahead_us.abs() > limits::CLOCK_SKEW_US {
        tracing::warn!(
            clock_ahead_us,
            "this endpoint's clock differs from the server's by more than orders allow"
        );
    }
    learn(context, welcome.addresses.clone());
    context.state.send_modify(|state| {
        state.connected = true;
        state.peer = Some(peer);
        state.since_us = now_us;
        state.last_error = None;
        state.clock_ahead_us = clock_ahead_us;
    });
    tracing::info!(%peer, protocol = welcome.protocol, "session stands");
}

/// Keeps where the gateway can be reached; an isolation opens its rules for it.
fn learn(context: &Context, addresses: Vec<String>) {
    let addresses = bounded(addresses);
    if addresses.is_empty() {
        return;
    }
    match context.identity.learn(Some(addresses), context.dialer.kept()) {
        Ok(true) => context.moved.notify_one(),
        Ok(false) => {}
        Err(error) => tracing::warn!(error = chain(&error), "the gateway's addresses cannot be kept"),
    }
}

impl Session {
    /// Frames both ways until the session ends.
    pub(super) async fn serve(mut self, context: &Context, mut stop: watch::Receiver<bool>) -> End {
        context.outbox.online(context.runner.unacknowledged());
        if let Some(protection) = &context.protection {
            protection.greeted(self.takes_recorder_state);
        }
        if let Some(recorder) = &context.recorder {
            recorder.line(self.takes_chains);
        }
        let mut heard = Instant::now();
        let renewal = renew::Renewal::new(context);
        let mut tick = pin!(sleep_until(heard + renewal.next(self.keep_alive)));
        let (mut renewed, mut over) = (pin!(renewal.done()), pin!(stopped(&mut stop)));
        loop {
            tokio::select! {
                taken = self.hear(context) => {
                    heard = Instant::now();
                    if let Err(end) = taken {
                        return end;
                    }
                }
                () = context.outbox.ready() => {
                    if let Err(end) = self.speak(context).await {
                        return end;
                    }
                }
                () = &mut tick => {
                    if heard.elapsed() > self.keep_alive * 2 + Duration::from_secs(5) {
                        return End::Lost("the server is silent".into());
                    }
                    if renewal.is_due() {
                        renewal.start();
                    }
                    if let Err(end) = write(&mut self.socket, Message::Ping(Bytes::new())).await {
                        return end;
                    }
                    tick.as_mut().reset(Instant::now() + renewal.next(self.keep_alive));
                }
                () = &mut renewed => {
                    let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
                    return End::Renewed;
                }
                () = &mut over => {
                    let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
                    return End::Stopped;
                }
            }
        }
    }

    /// Waits for frames, and takes all that have arrived: what they are answered with can then go out together.
    async fn hear(&mut self, context: &Context) -> Result<(), End> {
        let mut taken = 0;
        poll_fn(|cx| {
            while taken < AT_ONCE {
                match self.socket.poll_next_unpin(cx) {
                    Poll::Ready(message) => Self::take(context, message)?,
                    Poll::Pending if taken > 0 => break,
                    Poll::Pending => return Poll::Pending,
                }
                taken += 1;
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    fn take(context: &Context, message: Option<Result<Message, tungstenite::Error>>) -> Result<(), End> {
        match read(message)? {
            // Not ours; and a second greeting means nothing.
            None | Some(FromServer::Welcome(_)) => Ok(()),
            Some(FromServer::BlockList(newest)) => {
                if let Some(list) = &context.block_list {
                    list.announced(newest);
                }
                Ok(())
            }
            Some(FromServer::Order(signed)) => {
                context.runner.deliver(signed);
                Ok(())
            }
            Some(FromServer::OutcomeStored(order)) => {
                context.runner.stored(&order.order_id);
                Ok(())
            }
            Some(FromServer::Cancel(order)) => {
                context.runner.cancel(&order.order_id);
                Ok(())
            }
            Some(FromServer::Addresses(list)) => {
                learn(context, list.addresses);
                Ok(())
            }
            Some(FromServer::Keys(set)) => {
                match context.identity.rotate(&set) {
                    Ok(()) => tracing::info!(keys = ?context.identity.order_key_ids(), "order keys rotated"),
                    // Every set since the first is sent at each connection: one that is held already, or that is older
                    // than what was pinned at enrolment and so signed by a key that was never trusted, is no news.
                    Err(identity::Error::Keys(error)) => tracing::debug!(%error, "order keys not taken"),
                    Err(error) => tracing::warn!(error = chain(&error), "order keys cannot be kept"),
                }
                Ok(())
            }
            Some(FromServer::Trust(signed)) => {
                context.entrust(&signed);
                Ok(())
            }
            Some(FromServer::Protection(signed)) => {
                if let Some(protection) = &context.protection {
                    protection.take(&signed);
                }
                Ok(())
            }
            Some(FromServer::ChainStored(stored)) => {
                if let Some(recorder) = &context.recorder {
                    recorder.stored(stored);
                }
                Ok(())
            }
            Some(FromServer::Goodbye(goodbye)) => Err(End::Goodbye(goodbye)),
        }
    }

    /// Says all that waits, in as few writes as it takes.
    async fn speak(&mut self, context: &Context) -> Result<(), End> {
        let mut events = Vec::new();
        let said = self.say(context, &mut events).await;
        if said.is_err() {
            for event in events.into_iter().rev() {
                context.outbox.give_back(event);
            }
        }
        said
    }

    async fn say(&mut self, context: &Context, events: &mut Vec<FromAgent>) -> Result<(), End> {
        while let Some(next) = context.outbox.take() {
            let frame = match next {
                Next::Frame(frame) => frame,
                Next::Signed(signed) => FromAgent::Outcome(signed),
                Next::Outcome(order_id) => match context.runner.outcome(&order_id) {
                    Some(signed) => FromAgent::Outcome(signed),
                    None => continue,
                },
            };
            if matches!(frame, FromAgent::Event(_)) {
                events.push(frame.clone());
            }
            in_time(self.socket.feed(Message::Binary(encode_from_agent(frame).into()))).await?;
        }
        in_time(self.socket.flush()).await
    }
}

async fn send(socket: &mut Socket, frame: FromAgent) -> Result<(), End> {
    write(socket, Message::Binary(encode_from_agent(frame).into())).await
}

async fn write(socket: &mut Socket, message: Message) -> Result<(), End> {
    in_time(socket.send(message)).await
}

async fn in_time(written: impl Future<Output = Result<(), tungstenite::Error>>) -> Result<(), End> {
    match timeout(WRITE, written).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(End::Lost(chain(&error))),
        Err(_) => Err(End::Lost("the server takes nothing".into())),
    }
}

async fn receive(socket: &mut Socket) -> Result<FromServer, End> {
    loop {
        if let Some(frame) = read(socket.next().await)? {
            return Ok(frame);
        }
    }
}

/// A frame of ours in a message, if it holds one.
fn read(message: Option<Result<Message, tungstenite::Error>>) -> Result<Option<FromServer>, End> {
    match message {
        None => Err(End::Lost("the server closed the connection".into())),
        Some(Err(error)) => Err(End::Lost(chain(&error))),
        Some(Ok(Message::Binary(bytes))) => {
            decode_from_server(&bytes).map(Some).map_err(|error| End::Lost(error.to_string()))
        }
        Some(Ok(Message::Close(_))) => Err(End::Lost("the server closed the session".into())),
        Some(Ok(Message::Text(_))) => Err(End::Lost("the server sent text".into())),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
    }
}

/// An upgrade that was refused: the body says why, and a header how long to wait.
async fn refused(context: &Context, route: &Route, error: &tungstenite::Error) -> End {
    let tungstenite::Error::Http(answer) = error else { return End::Lost(chain(error)) };
    let retry_after_s = answer
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or_default();
    let body = answer.body().as_deref().unwrap_or_default();
    let said = Problem::decode(body).ok().filter(|problem| !problem.code.is_empty());
    let said = match said {
        Some(problem) => Some((problem.code, problem.message)),
        // The WebSocket client reads a body only as far as it came with the head; ask again in plain HTTP.
        None => ask_why(context, route).await,
    };
    match said {
        Some((code, message)) => End::Goodbye(Goodbye { code, message, retry_after_s }),
        None => End::Lost(format!("the server refused the session with status {}", answer.status())),
    }
}

async fn ask_why(context: &Context, route: &Route) -> Option<(String, String)> {
    let get = request::to("GET", PING).header(NONCE, "why").body(Full::new(Bytes::new())).ok()?;
    let answer = request::send(&context.dialer, route, context.identity.tls(), get, limits::ENROL).await;
    match answer.and_then(request::Answer::success) {
        Err(request::Error::Refused { code, message, .. }) => Some((code, message)),
        Ok(_) | Err(_) => None,
    }
}
