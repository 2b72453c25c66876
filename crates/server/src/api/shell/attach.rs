//! `GET /shells/{id}/attach`: a person's end of a shell, a WebSocket.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use quell_store::{Error, artifact, audit};
use quell_wire::shell::{
    FRAME, FromPerson, SUBPROTOCOL, Size, ToPerson, Verb, decode_bytes, decode_from_person, encode_bytes,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use utoipa::IntoParams;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::query::{Id, Query};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission, still_stands};
use crate::problem::{Code, Problem};
use crate::shell::Live;
use crate::shell::journal::Past;
use crate::shell::live::{Full, Next, Place};
use crate::state::App;

/// Between two signs of life; the caller's rights are looked at as often.
const BEAT: Duration = Duration::from_secs(5);
/// Somebody who says nothing for this long, not even that they are there, is gone.
const SILENCE: Duration = Duration::from_secs(20);
/// A message must be gone after this.
const WRITE: Duration = Duration::from_secs(15);
/// Read from a journal at a time. Bytes.
const PAST: usize = 512 << 10;
/// Arguments of a verb in the audit trail, and bytes of each.
const ARGUMENTS: usize = 16;
const ARGUMENT: usize = 500;
/// One message of a past. Bytes.
const PIECE: usize = 64 << 10;

pub(super) fn route() -> Route {
    permit(Permission::TaskRead, routes!(attach_shell))
}

/// How somebody comes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Arrival {
    /// The first output that is wanted, where this end has seen some; what was written last where absent.
    from: Option<u64>,
    /// A word of this end's own choice, 16 to 64 letters and digits, by which it is known when it comes back: then what was
    /// sent and not taken may be sent again. Only who asked for the shell gives one, and types.
    #[param(min_length = 16, max_length = 64)]
    pen: Option<String>,
}

/// Come to a remote shell
///
/// A WebSocket of the subprotocol `quell.shell.v1`. Binary messages are what is typed and what the terminal wrote, eight
/// bytes of offset (big-endian) before it; text messages are JSON. Who asked for the shell types, in one place at a time;
/// others need `artifact.download` and look on. A shell that its endpoint has not begun yet is waited for.
#[utoipa::path(get, path = "/shells/{id}/attach", tag = "shells", params(("id" = Uuid, Path), Arrival),
    responses((status = 101, description = "The WebSocket begins")))]
async fn attach_shell(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
    Query(arrival): Query<Arrival>,
    mut request: Request,
) -> Result<Response, Problem> {
    let Some(about) = app.shells.about(caller.tenant, id).await? else {
        // Another's, none, or over: only the last is known to the tenant.
        super::row(&app, &caller, id).await?;
        return Err(over());
    };
    let is_writer = arrival.pen.is_some();
    if let Some(pen) = &arrival.pen {
        if !(16..=64).contains(&pen.len()) || !pen.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Problem::new(Code::InvalidQuery, "pen: must be 16 to 64 letters and digits"));
        }
        if !super::may_type(&app, &caller, &about).await? {
            return Err(Problem::new(Code::Forbidden, "only who asked for a shell types in it")
                .hint("Come without `pen` to look on."));
        }
    } else {
        super::may_see(&app, &caller, about.endpoint).await?;
    }
    let accept = handshake(request.headers())?;
    // Only now: who may not come, or only says so, takes no room.
    let live = app.shells.come(about).ok_or_else(|| {
        Problem::new(Code::Unavailable, "too many shells are waited for here")
            .hint("Come again when it is `running`, or when others are over.")
            .retry_after(5)
    })?;
    if live.over().is_some() {
        return Err(over());
    }
    let upgrading = hyper::upgrade::on(&mut request);
    let verb = if is_writer { "shell.attach" } else { "shell.watch" };
    note(&app, &caller, &live, verb, &json!({ "task": live.about.task })).await?;
    let journal = Arc::default();
    let end = End { app, journal, caller, live, arrival };
    tokio::spawn(end.run(upgrading));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(response.into_response())
}

fn over() -> Problem {
    Problem::new(Code::Conflict, "the shell is over").hint("Its recording shows what happened in it.")
}

/// RFC 6455 section 4.2.1.
fn handshake(headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let has = |name: HeaderName, wanted: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(wanted))
    };
    let bad = |why| Problem::new(Code::InvalidHeader, why);
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") {
        return Err(bad("a shell is a WebSocket"));
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") || !has(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(bad("a shell speaks quell.shell.v1 over WebSocket version 13"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let accept = derive_accept_key(key.ok_or_else(|| bad("the WebSocket key is missing"))?.as_bytes());
    HeaderValue::from_str(&accept).map_err(|_| bad("the WebSocket key is malformed"))
}

async fn note(app: &App, caller: &Caller, live: &Live, verb: &str, detail: &Value) -> Result<(), Error> {
    let record = caller.record(app.now(), verb, "shell", &live.about.id.to_string(), detail);
    app.store.write(move |tx| audit::append(tx, &record)).await
}

struct End {
    app: App,
    /// Where the journal was read last.
    journal: Arc<Mutex<Past>>,
    caller: Caller,
    live: Arc<Live>,
    arrival: Arrival,
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The connection is of no more use.
struct Gone;

impl End {
    async fn run(mut self, upgrading: OnUpgrade) {
        let Ok(upgraded) = upgrading.await else { return };
        let config = WebSocketConfig::default()
            .read_buffer_size(8 << 10)
            .write_buffer_size(0)
            .max_write_buffer_size(4 * FRAME)
            .max_message_size(Some(FRAME))
            .max_frame_size(Some(FRAME));
        let mut socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        if self.wait(&mut socket).await.is_ok() {
            let sat = self.live.sit(self.caller.name(), self.arrival.pen.as_deref(), self.arrival.from);
            match sat {
                Ok((mut place, hello)) => {
                    let words = if place.is_writer { "types" } else { "looks on" };
                    self.live.mark(&format!("{} {words}", self.caller.name()), self.app.now());
                    if say(&mut socket, &hello).await.is_ok() {
                        let _ = self.serve(&mut socket, &mut place).await;
                    }
                    self.live.rise(&place);
                    self.live.mark(&format!("{} leaves", self.caller.name()), self.app.now());
                }
                Err(full) => {
                    let reason = match full {
                        Full::Over => "over",
                        Full::Seats => "full",
                    };
                    let end = ToPerson::End {
                        reason: reason.into(),
                        by: String::new(),
                        exit_code: None,
                        signal: None,
                    };
                    let _ = say(&mut socket, &end).await;
                }
            }
        }
        let _ = timeout(WRITE, socket.close(None)).await;
    }

    /// Until the endpoint told of the shell, or it is over.
    async fn wait(&mut self, socket: &mut Socket) -> Result<(), Gone> {
        let mut changed = self.live.watch();
        let mut beat = interval(BEAT);
        let mut stopping = self.app.stopping.clone();
        let mut told = None;
        loop {
            changed.mark_unchanged();
            if self.live.is_known() || self.live.over().is_some() {
                return Ok(());
            }
            let state = self.live.waiting();
            if told.as_ref() != Some(&state) {
                say(socket, &state).await?;
                told = Some(state);
            }
            tokio::select! {
                _ = changed.changed() => {}
                _ = beat.tick() => self.beat(socket).await?,
                message = socket.next() => match message {
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    _ => return Err(Gone),
                },
                () = stopped(&mut stopping) => return Err(Gone),
            }
        }
    }

    async fn beat(&mut self, socket: &mut Socket) -> Result<(), Gone> {
        self.caller.identity = still_stands(&self.app, &self.caller).await.ok_or(Gone)?;
        let may = if self.arrival.pen.is_some() {
            super::may_type(&self.app, &self.caller, &self.live.about).await.unwrap_or(true)
        } else {
            super::may_see(&self.app, &self.caller, self.live.about.endpoint).await.is_ok()
        };
        if !may {
            return Err(Gone);
        }
        // A browser hides pings from its pages.
        say(socket, &ToPerson::Beat {}).await?;
        send(socket, Message::Ping(Bytes::new())).await
    }

    async fn serve(&mut self, socket: &mut Socket, place: &mut Place) -> Result<(), Gone> {
        let mut changed = self.live.watch();
        let (mut stopping, mut revocations) = (self.app.stopping.clone(), self.app.revocations.subscribe());
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            changed.mark_unchanged();
            let has_more = match self.live.next(place) {
                Next::Message(message) => {
                    say(socket, &message).await?;
                    true
                }
                Next::Output(at, data) => {
                    send(socket, Message::Binary(encode_bytes(at, &data).into())).await?;
                    true
                }
                Next::Past(from) => {
                    self.past(socket, place, from).await?;
                    true
                }
                Next::Nothing => false,
                Next::Over => return Ok(()),
            };
            tokio::select! {
                biased;
                message = socket.next() => {
                    heard = Instant::now();
                    self.hear(place, message).await?;
                }
                () = stopped(&mut stopping) => return Err(Gone),
                _ = revocations.changed() => self.beat(socket).await?,
                _ = beat.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(Gone);
                    }
                    self.beat(socket).await?;
                }
                () = std::future::ready(()), if has_more => {}
                _ = changed.changed() => {}
            }
        }
    }

    /// What is in the journal alone.
    async fn past(&self, socket: &mut Socket, place: &mut Place, from: u64) -> Result<(), Gone> {
        let path = self.live.path.clone();
        let journal = Arc::clone(&self.journal);
        let read = tokio::task::spawn_blocking(move || {
            journal.lock().unwrap_or_else(PoisonError::into_inner).output(&path, from, PAST)
        });
        let read = read.await;
        let data = read.map_err(|_| Gone)?.map_err(|_| Gone)?;
        if data.is_empty() {
            return Err(Gone);
        }
        let mut at = from;
        for piece in data.chunks(PIECE) {
            send(socket, Message::Binary(encode_bytes(at, piece).into())).await?;
            at += piece.len() as u64;
        }
        place.passed(at);
        Ok(())
    }

    async fn hear(
        &mut self,
        place: &Place,
        message: Option<Result<Message, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<(), Gone> {
        match message {
            Some(Ok(Message::Binary(bytes))) => {
                let (offset, data) = decode_bytes(&bytes).map_err(|_| Gone)?;
                // Whoever lost the pen a moment ago may have typed on; what does not fit is the end.
                if self.live.typed(place, offset, data) || !place.is_writer { Ok(()) } else { Err(Gone) }
            }
            Some(Ok(Message::Text(text))) => match decode_from_person(&text).map_err(|_| Gone)? {
                FromPerson::Ack { output } => {
                    self.live.shown(place, output);
                    Ok(())
                }
                FromPerson::Resize { cols, rows } => {
                    self.live.resize(place, Size { cols, rows }, self.app.now()).map_err(|_| Gone)
                }
                FromPerson::Verb { id, verb, arguments } => self.verb(place, id, verb, arguments).await,
                FromPerson::End {} => self.end(place).await,
            },
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(_) | Err(_)) | None => Err(Gone),
        }
    }

    async fn verb(
        &self,
        place: &Place,
        theirs: u64,
        verb: String,
        arguments: Vec<String>,
    ) -> Result<(), Gone> {
        if let Err(why) = self.live.may_ask(place) {
            self.refuse(place, theirs, why);
            return Ok(());
        }
        let cut: Vec<&str> = arguments.iter().take(ARGUMENTS).map(|text| beginning(text)).collect();
        let detail = json!({ "task": self.live.about.task, "verb": beginning(&verb), "arguments": cut,
            "bytes": arguments.iter().map(String::len).sum::<usize>() });
        note(&self.app, &self.caller, &self.live, "shell.verb", &detail).await.map_err(|_| Gone)?;
        let mut asked = Verb { id: 0, verb, arguments, sha256: Vec::new() };
        if asked.verb == "put"
            && let Some(id) = asked.arguments.first().and_then(|id| id.parse::<Uuid>().ok())
        {
            let (tenant, shell) = (self.caller.tenant, self.live.about.id);
            let row = self
                .app
                .store
                .read(move |tx| artifact::get(tx, tenant, id))
                .await
                .map_err(|_: Error| Gone)?;
            let row =
                row.filter(|row| row.command_id == shell && row.kind == "given" && row.state == "stored");
            asked.sha256 = row.map(|row| row.sha256.to_vec()).unwrap_or_default();
        }
        if let Err(why) = self.live.ask(place, theirs, asked, self.app.now()) {
            self.refuse(place, theirs, why);
        }
        Ok(())
    }

    fn refuse(&self, place: &Place, theirs: u64, why: &str) {
        let (message, result, done, total) = (why.to_owned(), Value::Null, 0, 0);
        let no = ToPerson::Answer { id: theirs, is_over: true, is_ok: false, message, result, done, total };
        self.live.tell(place, no);
    }

    /// Who types may end it, and who looks on if they may call tasks off.
    async fn end(&self, place: &Place) -> Result<(), Gone> {
        let about = &self.live.about;
        let (caller, endpoint) = (self.caller.clone(), about.endpoint);
        let may = place.is_writer
            || (self.caller.access().allows(Permission::TaskCancel)
                && self
                    .app
                    .store
                    .read(move |tx| caller.reaches_id(tx, Permission::TaskCancel, endpoint))
                    .await
                    .is_ok());
        if may {
            note(&self.app, &self.caller, &self.live, "shell.stop", &json!({ "task": about.task }))
                .await
                .map_err(|_| Gone)?;
            self.live.ask_end("person", self.caller.name());
        }
        Ok(())
    }
}

/// As much of a word as a record of the trail holds.
fn beginning(text: &str) -> &str {
    &text[..text.floor_char_boundary(ARGUMENT)]
}

async fn stopped(stopping: &mut tokio::sync::watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn say(socket: &mut Socket, message: &ToPerson) -> Result<(), Gone> {
    let text = serde_json::to_string(message).map_err(|_| Gone)?;
    send(socket, Message::Text(text.into())).await
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), Gone> {
    match timeout(WRITE, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Gone),
    }
}
