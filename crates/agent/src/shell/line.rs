//! The line of one shell to the gateway: tried again for as long as somebody listens.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::StatusCode;
use quell_wire::path::{GATEWAY_NAME, SUBPROTOCOL};
use quell_wire::shell::{FRAME, FromAgent, FromServer, SHELLS, decode_from_server, encode_from_agent};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::runner::chain;
use crate::transfer::Gateway;

/// Between tries: soon at first, a person waits.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));
/// For one try.
const ATTEMPT: Duration = Duration::from_secs(20);
/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(4);
/// Without any word of the server for this long the line is dead.
const SILENCE: Duration = Duration::from_secs(15);
/// A frame must be gone after this.
const WRITE: Duration = Duration::from_secs(15);
/// Frames that wait for the network.
const QUEUE: usize = 16;

/// What the line tells the session.
pub(super) enum Heard {
    /// It stands; frames go here.
    Up(mpsc::Sender<FromAgent>),
    /// The server said this.
    Frame(FromServer),
    /// It broke, and is tried again.
    Down,
    /// The server knows of no such shell, and will not.
    Refused(String),
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

enum Failure {
    Again(String),
    Final(String),
}

/// Keeps the line of this order until nobody listens any more.
pub(super) async fn keep(gateway: Gateway, order_id: String, told: mpsc::Sender<Heard>) {
    let mut pause = PAUSE.0;
    loop {
        let opened = timeout(ATTEMPT, Box::pin(open(&gateway, &order_id))).await;
        match opened.unwrap_or_else(|_| Err(Failure::Again("no answer in time".to_owned()))) {
            Ok(socket) => {
                pause = PAUSE.0;
                let (sender, frames) = mpsc::channel(QUEUE);
                if told.send(Heard::Up(sender)).await.is_err() {
                    return;
                }
                let why = carry(socket, frames, &told).await;
                tracing::debug!(order.id = order_id, why, "the line of a shell broke");
                if told.send(Heard::Down).await.is_err() {
                    return;
                }
            }
            Err(Failure::Final(why)) => {
                let _ = told.send(Heard::Refused(why)).await;
                return;
            }
            Err(Failure::Again(why)) => {
                tracing::debug!(order.id = order_id, why, "a shell's line cannot be made");
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = told.closed() => return,
        }
        pause = (pause * 2).min(PAUSE.1);
    }
}

async fn open(gateway: &Gateway, order_id: &str) -> Result<Socket, Failure> {
    let again = |error: &(dyn std::error::Error + 'static)| Failure::Again(chain(error));
    let targets = gateway.identity.targets();
    let routes = gateway.dialer.routes(&targets).await.map_err(|error| again(&error))?;
    let mut last = Failure::Again("no address of the server is known".to_owned());
    for route in routes {
        match gateway.dialer.connect(&route, gateway.identity.tls()).await {
            Ok(channel) => return upgrade(channel.stream, order_id).await,
            Err(error) => last = again(&error),
        }
    }
    Err(last)
}

async fn upgrade(stream: TlsStream<TcpStream>, order_id: &str) -> Result<Socket, Failure> {
    let uri: Uri = format!("wss://{GATEWAY_NAME}{SHELLS}/{order_id}")
        .parse()
        .map_err(|_| Failure::Final("the order's id cannot stand in a path".to_owned()))?;
    let request = ClientRequestBuilder::new(uri).with_sub_protocol(SUBPROTOCOL);
    let config = WebSocketConfig::default()
        .read_buffer_size(16 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * FRAME)
        .max_message_size(Some(FRAME))
        .max_frame_size(Some(FRAME));
    match Box::pin(tokio_tungstenite::client_async_with_config(request, stream, Some(config))).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(answer)) if answer.status() == StatusCode::NOT_FOUND => {
            Err(Failure::Final("the server knows of no such shell".to_owned()))
        }
        Err(error) => Err(Failure::Again(chain(&error))),
    }
}

/// Frames both ways until it breaks; says why.
async fn carry(
    mut socket: Socket,
    mut frames: mpsc::Receiver<FromAgent>,
    told: &mpsc::Sender<Heard>,
) -> String {
    let mut heard = Instant::now();
    let mut beat = interval(BEAT);
    loop {
        tokio::select! {
            message = socket.next() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Binary(bytes))) => match decode_from_server(&bytes) {
                        Ok(frame) => {
                            if told.send(Heard::Frame(frame)).await.is_err() {
                                break "the shell is over".to_owned();
                            }
                        }
                        Err(error) => break error.to_string(),
                    },
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(_)) | None => break "closed by the server".to_owned(),
                    Some(Err(error)) => break chain(&error),
                }
            }
            frame = frames.recv() => {
                let Some(frame) = frame else { break "the shell is over".to_owned() };
                let message = Message::Binary(encode_from_agent(frame).into());
                if let Err(why) = send(&mut socket, message).await {
                    break why;
                }
            }
            _ = beat.tick() => {
                if heard.elapsed() > SILENCE {
                    break "nothing was heard of the server".to_owned();
                }
                if let Err(why) = send(&mut socket, Message::Ping(bytes::Bytes::new())).await {
                    break why;
                }
            }
        }
    }
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), String> {
    match timeout(WRITE, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_) => Err("the server does not read".to_owned()),
    }
}
