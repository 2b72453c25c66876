//! Answers of the agents' port: small, and where refused, a code and a sentence.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use prost::Message;
use quell_wire::enrol::Problem;

/// Every body that this port sends is small and in memory.
pub type Reply = Response<Full<Bytes>>;

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable code.
    pub code: &'static str,
    /// A sentence for a person.
    pub message: String,
    /// Seconds to wait, where waiting helps.
    pub retry_after_s: Option<u32>,
}

impl Refused {
    /// A refusal.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after_s: None }
    }

    /// The server cannot do it now.
    pub fn busy(message: impl Into<String>) -> Self {
        Self { retry_after_s: Some(5), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message) }
    }

    /// The same with a time to wait.
    pub fn after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl From<quell_store::Error> for Refused {
    fn from(error: quell_store::Error) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed a request of an agent");
        match error {
            quell_store::Error::Full => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "storage_full", "the server has no space left")
                    .after(60)
            }
            _ => Self::busy("the server cannot reach its database now"),
        }
    }
}

impl From<Refused> for Reply {
    fn from(refused: Refused) -> Self {
        let problem = Problem { code: refused.code.to_owned(), message: refused.message };
        let mut reply = message(refused.status, &problem);
        if let Some(seconds) = refused.retry_after_s {
            reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        reply
    }
}

/// An answer with a message.
pub fn message(status: StatusCode, body: &impl Message) -> Reply {
    let mut reply = bytes(status, Bytes::from(body.encode_to_vec()));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    reply
}

/// An answer with bytes.
pub fn bytes(status: StatusCode, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply
}

/// An answer without a body, with one header.
pub fn header(status: StatusCode, name: &'static str, value: HeaderValue) -> Reply {
    let mut reply = bytes(status, Bytes::new());
    reply.headers_mut().insert(HeaderName::from_static(name), value);
    reply
}
