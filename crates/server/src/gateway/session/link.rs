//! The WebSocket of a session, speaking frames. Small buffers: an idle session holds next to none.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use quell_wire::frame::{FromAgent, FromServer, decode_from_agent, encode_from_server};
use quell_wire::limits;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// A peer that does not read for this long is gone.
const WRITE: Duration = Duration::from_secs(20);
/// Read ahead, bytes. Larger messages get their room while they last.
const READ_BUFFER: usize = 2 << 10;

/// What came in.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, handled at once")]
pub enum Heard {
    /// A frame.
    Frame(FromAgent, usize),
    /// A keep-alive; already answered.
    Alive,
    /// The answer to a probe, with its payload.
    Pong(Bytes),
    /// Something that the protocol does not allow, and how to say so.
    Bad(&'static str),
    /// The end.
    Closed,
}

/// A session's connection.
pub struct Link {
    socket: WebSocketStream<TlsStream<TcpStream>>,
}

/// The peer is gone, or does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer is gone")]
pub struct Gone;

impl Link {
    /// Takes over a connection that was upgraded, with what was already read of it.
    pub async fn new(stream: TlsStream<TcpStream>, read_already: Vec<u8>) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(4 * limits::FRAME)
            .max_message_size(Some(limits::FRAME))
            .max_frame_size(Some(limits::FRAME));
        let socket =
            WebSocketStream::from_partially_read(stream, read_already, Role::Server, Some(config)).await;
        Self { socket }
    }

    /// The next thing heard. Nothing is lost when the future is dropped.
    pub async fn hear(&mut self) -> Heard {
        loop {
            return match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => match decode_from_agent(&bytes) {
                    Ok(frame) => Heard::Frame(frame, bytes.len()),
                    Err(_) => Heard::Bad("a frame is malformed or beyond a limit"),
                },
                Some(Ok(Message::Ping(_))) => Heard::Alive,
                Some(Ok(Message::Pong(payload))) => Heard::Pong(payload),
                Some(Ok(Message::Text(_))) => Heard::Bad("this protocol has no text messages"),
                Some(Ok(Message::Close(_) | Message::Frame(_))) => continue,
                Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => {
                    Heard::Bad("a message is larger than 1 MiB")
                }
                Some(Err(_)) | None => Heard::Closed,
            };
        }
    }

    /// Sends a frame.
    pub async fn say(&mut self, frame: FromServer) -> Result<(), Gone> {
        self.send(Message::Binary(encode_from_server(frame).into())).await
    }

    /// Asks the peer whether it is there.
    pub async fn probe(&mut self, payload: Bytes) -> Result<(), Gone> {
        self.send(Message::Ping(payload)).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        match tokio::time::timeout(WRITE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    /// Closes in good order, as far as the peer takes part.
    pub async fn close(&mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }
}
