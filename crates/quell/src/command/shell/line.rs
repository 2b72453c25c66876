//! The WebSocket to a shell, made again where it broke.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use quell_wire::shell::{FRAME, FromPerson, SUBPROTOCOL, ToPerson, decode_bytes, encode_bytes};
use reqwest::{StatusCode, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::client::{Client, segment};
use crate::failure::Failure;

/// A server that says nothing for this long is gone.
pub const SILENCE: Duration = Duration::from_secs(20);

/// What comes in.
pub enum Heard {
    /// A message.
    Message(ToPerson),
    /// Terminal output, and where it begins.
    Output(u64, Vec<u8>),
    /// Only a sign of life.
    Alive,
    /// It broke.
    Gone,
}

/// A connection to a shell.
pub struct Line(WebSocketStream<Upgraded>);

impl Line {
    /// Connects. With a pen one types.
    pub async fn open(
        client: &Client,
        shell: &str,
        pen: Option<&str>,
        from: Option<u64>,
    ) -> Result<Self, Failure> {
        let mut query = Vec::new();
        query.extend(pen.map(|pen| ("pen", pen.to_owned())));
        query.extend(from.map(|from| ("from", from.to_string())));
        let path = format!("/api/v1/shells/{}/attach", segment(shell));
        let response = client.upgrade(&path, &query, SUBPROTOCOL).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::new("the server answered something else than a shell"));
        }
        let upgraded = response.upgrade().await.map_err(|error| Failure::of(&error))?;
        let config = WebSocketConfig::default().max_message_size(Some(FRAME)).max_frame_size(Some(FRAME));
        Ok(Self(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await))
    }

    /// What comes next. Nothing is lost when this is dropped.
    pub async fn hear(&mut self) -> Heard {
        match tokio::time::timeout(SILENCE, self.0.next()).await {
            Ok(Some(Ok(Message::Binary(bytes)))) => match decode_bytes(&bytes) {
                Ok((offset, data)) => Heard::Output(offset, data.to_vec()),
                Err(_) => Heard::Gone,
            },
            Ok(Some(Ok(Message::Text(text)))) => {
                serde_json::from_str(&text).map_or(Heard::Alive, Heard::Message)
            }
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => Heard::Alive,
            Ok(Some(Ok(_) | Err(_)) | None) | Err(_) => Heard::Gone,
        }
    }

    /// Sends what is typed.
    pub async fn type_in(&mut self, offset: u64, data: &[u8]) -> bool {
        self.send(Message::Binary(encode_bytes(offset, data).into())).await
    }

    /// Sends a message.
    pub async fn say(&mut self, message: &FromPerson) -> bool {
        match serde_json::to_string(message) {
            Ok(text) => self.send(Message::Text(text.into())).await,
            Err(_) => false,
        }
    }

    async fn send(&mut self, message: Message) -> bool {
        matches!(tokio::time::timeout(SILENCE, self.0.send(message)).await, Ok(Ok(())))
    }

    /// Closes it in good order.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.0.close(None)).await;
    }
}
