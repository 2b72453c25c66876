//! The connection of an agent's shell: its output into the recording, what people type to it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use quell_catalog::ActionKind;
use quell_store::{artifact, command};
use quell_wire::path::SUBPROTOCOL;
use quell_wire::shell::{FILES, FRAME, FromAgent, FromServer, decode_from_agent, encode_from_server};
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use uuid::Uuid;

use super::Shared;
use super::admit::admit;
use super::connection::Connection;
use super::reply::{self, Refused, Reply};
use super::session::handshake;
use crate::shell::live::Line;
use crate::shell::{Live, Over};

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(4);
/// An agent that says nothing for this long is gone.
const SILENCE: Duration = Duration::from_secs(15);
/// A frame must be gone after this.
const WRITE: Duration = Duration::from_secs(15);
/// The first frame.
const BEGIN: Duration = Duration::from_secs(10);

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// One answer for orders that do not exist, that are not this endpoint's, that are no shells or that are over.
fn absent() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "not_found", "no shell under way here has this id")
}

/// Answers what is below the path of shells.
pub async fn answer(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    rest: &str,
    request: Request<Incoming>,
) -> Result<Reply, Refused> {
    let revocations = shared.sessions.revocations();
    let admitted = admit(&shared, &connection).await?;
    let (tenant, endpoint) = (admitted.endpoint().tenant_id, admitted.endpoint().id);
    let (order, file) = match rest.split_once('/') {
        Some((order, file)) => (
            order,
            Some(file.strip_prefix(FILES).and_then(|file| file.strip_prefix('/')).ok_or_else(absent)?),
        ),
        None => (rest, None),
    };
    // One spelling of an id only.
    let id = order.parse::<Uuid>().ok().filter(|id| id.to_string() == order).ok_or_else(absent)?;
    let row = shared.store.read(move |tx| command::get(tx, tenant, id)).await?.ok_or_else(absent)?;
    let is_open = matches!(row.state.as_str(), "dispatched" | "running");
    if row.endpoint_id != endpoint || !is_open || row.action != ActionKind::EndpointRemoteShell.id() {
        return Err(absent());
    }
    if let Some(file) = file {
        return given(&shared, (tenant, id), file).await;
    }
    let live = shared.shells.open(tenant, id).await?.ok_or_else(absent)?;
    shared.shells.prepare(&live).await?;
    upgrade(shared, &connection, live, revocations, request)
}

/// A file that a person gave to this very shell.
async fn given(shared: &Shared, (tenant, order): (Uuid, Uuid), file: &str) -> Result<Reply, Refused> {
    let id = file.parse::<Uuid>().ok().filter(|id| id.to_string() == file).ok_or_else(absent)?;
    let row = shared.store.read(move |tx| artifact::get(tx, tenant, id)).await?;
    let row = row.filter(|row| row.command_id == order && row.kind == "given" && row.state == "stored");
    let key = row.and_then(|row| row.object_key).ok_or_else(absent)?;
    let failed = |_| Refused::busy("the file cannot be read now");
    let (_, mut stream) = shared.artifacts.read(&key, None).await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(piece) = stream.next().await {
        body.extend_from_slice(&piece.map_err(failed)?);
    }
    Ok(reply::bytes(StatusCode::OK, Bytes::from(body)))
}

fn upgrade(
    shared: Arc<Shared>,
    connection: &Connection,
    live: Arc<Live>,
    revocations: u64,
    mut request: Request<Incoming>,
) -> Result<Reply, Refused> {
    let accept = handshake(request.headers())?;
    let place = connection.take_place();
    let upgrading = hyper::upgrade::on(&mut request);
    let (tasks, held) = (shared.tasks.clone(), Arc::clone(&shared));
    tasks.spawn(async move {
        run(held, live, revocations, upgrading).await;
        drop(place);
    });
    let mut reply = reply::bytes(StatusCode::SWITCHING_PROTOCOLS, Bytes::new());
    let headers = reply.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(reply)
}

async fn run(shared: Arc<Shared>, live: Arc<Live>, revocations: u64, upgrading: OnUpgrade) {
    let Ok(upgraded) = upgrading.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>() else {
        tracing::error!("an upgraded connection is of another kind");
        return;
    };
    let config = WebSocketConfig::default()
        .read_buffer_size(16 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * FRAME)
        .max_message_size(Some(FRAME))
        .max_frame_size(Some(FRAME));
    let read = parts.read_buf.to_vec();
    let stream = parts.io.into_inner();
    let socket = WebSocketStream::from_partially_read(stream, read, Role::Server, Some(config)).await;
    let mut agent = Agent { shared, live, revocations, socket };
    let Some(mut line) = agent.begin().await else { return };
    let why = agent.serve(&mut line).await;
    tracing::debug!(shell.id = %agent.live.about.id, why, "the line of a shell ended");
    agent.live.leave(&line);
    if agent.live.over().is_none() && agent.live.is_known() {
        agent.shared.shells.tell(&agent.live.about, "lost");
    }
}

struct Agent {
    shared: Arc<Shared>,
    live: Arc<Live>,
    revocations: u64,
    socket: Socket,
}

impl Agent {
    async fn begin(&mut self) -> Option<Line> {
        let message = timeout(BEGIN, self.socket.next()).await.ok()??.ok()?;
        let Message::Binary(bytes) = message else { return None };
        let Ok(FromAgent::Begin(begin)) = decode_from_agent(&bytes) else { return None };
        let (line, frames, is_new) = match self.live.begin(&begin, self.shared.now_us()) {
            Ok(begun) => begun,
            Err(error) => {
                tracing::error!(%error, "a shell cannot be recorded");
                return None;
            }
        };
        if is_new && let Err(error) = self.shared.shells.note_begin(&self.live.about, &begin).await {
            tracing::error!(%error, "the beginning of a shell cannot be noted");
            return None;
        }
        self.shared.shells.tell(&self.live.about, "open");
        for frame in frames {
            self.send(frame).await.ok()?;
        }
        Some(line)
    }

    /// Until it ends; says why.
    async fn serve(&mut self, line: &mut Line) -> &'static str {
        let mut changed = self.live.watch();
        let mut heard = Instant::now();
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = self.shared.stop.clone();
        loop {
            changed.mark_unchanged();
            for frame in self.live.say(line) {
                let is_last = matches!(frame, FromServer::Recorded(_));
                if self.send(frame).await.is_err() {
                    return "the agent does not read";
                }
                if is_last {
                    let _ = timeout(WRITE, self.socket.close(None)).await;
                    return "it is over";
                }
            }
            tokio::select! {
                message = self.socket.next() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Binary(bytes))) => {
                            if let Err(why) = self.hear(&bytes) {
                                return why;
                            }
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        Some(_) | None => return "closed",
                    }
                }
                _ = changed.changed() => {}
                _ = beat.tick() => {
                    if heard.elapsed() > SILENCE {
                        return "nothing was heard";
                    }
                    if self.shared.sessions.revoked_since(self.live.about.endpoint, self.revocations) {
                        return "revoked";
                    }
                    if timeout(WRITE, self.socket.send(Message::Ping(Bytes::new()))).await.is_err() {
                        return "the agent does not read";
                    }
                }
                () = stop.cancelled() => return "the server stops",
            }
            if !self.live.is_current(line) {
                return "another took its place";
            }
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let now = self.shared.now_us();
        match decode_from_agent(bytes).map_err(|_| "a frame is malformed")? {
            FromAgent::Begin(_) => return Err("it began twice"),
            FromAgent::Output(data) => self.live.wrote(&data, now).map_err(|error| {
                tracing::error!(%error, "output of a shell cannot be recorded");
                "it cannot be recorded"
            })?,
            FromAgent::Taken(taken) => self.live.took(taken, now).map_err(|_| "it cannot be recorded")?,
            FromAgent::Answer(answer) => self.live.answered(answer),
            FromAgent::Ended(ended) => {
                let asked = self.live.end_asked();
                let by = asked.filter(|end| end.reason == ended.reason).map_or(String::new(), |end| end.by);
                let reason = known(&ended.reason).to_owned();
                let over = Over { reason, by, exit_code: ended.exit_code, signal: ended.signal };
                // On a task of its own: a long recording outlives an agent's patience.
                let (shells, live) = (self.shared.shells.clone(), Arc::clone(&self.live));
                self.shared.tasks.spawn(async move {
                    if let Err(error) = shells.finish(&live, over).await {
                        tracing::error!(%error, "the end of a shell cannot be noted; it is tried again");
                    }
                });
            }
        }
        Ok(())
    }

    async fn send(&mut self, frame: FromServer) -> Result<(), ()> {
        let message = Message::Binary(encode_from_server(frame).into());
        match timeout(WRITE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(()),
        }
    }
}

/// A word that the catalogue knows.
fn known(reason: &str) -> &'static str {
    use quell_catalog::endpoint::remote_shell::Ended;
    Ended::from_name(reason).map_or("exited", Ended::as_str)
}
