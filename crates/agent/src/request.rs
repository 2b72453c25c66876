//! One HTTP request on a connection of its own: enrolment, renewal, self-test, files.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use prost::Message;
use quell_wire::enrol::Problem;
use quell_wire::limits;
use quell_wire::path::GATEWAY_NAME;
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::dial::{self, Channel, Dialer, Route};

/// For an answer's head and for its body, each.
const ANSWER: Duration = Duration::from_secs(30);
/// Buffer of the connection. Bytes.
const BUFFER: usize = 64 << 10;

/// Why a request was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] dial::Error),
    /// The server closed it, or did not speak HTTP.
    #[error("the request failed on its way")]
    Http(#[source] hyper::Error),
    /// The answer was too large, or broke off.
    #[error("the answer is too large or broke off")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request itself is wrong.
    #[error("the request cannot be written")]
    Request(#[source] http::Error),
    /// No answer in time.
    #[error("the server did not answer in time")]
    Timeout,
    /// The server said no.
    #[error("the server refused: {message} ({code}, status {status})")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// Its code.
        code: String,
        /// Its sentence.
        message: String,
    },
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The answer if it is a success, else the server's problem as an error.
    pub fn success(self) -> Result<Self, Error> {
        if self.status.is_success() {
            return Ok(self);
        }
        let problem = Problem::decode(self.body.clone()).unwrap_or_default();
        let clean =
            |text: &str, most: usize| text.chars().filter(|c| !c.is_control()).take(most).collect::<String>();
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        Err(Error::Refused {
            status: self.status,
            code: or(clean(&problem.code, limits::CODE), "no_code"),
            message: or(clean(&problem.message, limits::MESSAGE), "no reason given"),
        })
    }
}

/// Begins a request; the host name is the gateway's.
pub fn to(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header(http::header::HOST, GATEWAY_NAME)
}

/// Sends one request over a new connection and reads the answer, at most `most` bytes of it.
pub async fn send(
    dialer: &Dialer,
    route: &Route,
    tls: Arc<ClientConfig>,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Answer, Error> {
    let channel = dialer.connect(route, tls).await?;
    exchange(channel, request, most).await
}

/// Sends one request over a connection and reads the answer, at most `most` bytes of it.
pub async fn exchange<B>(channel: Channel, request: Request<B>, most: usize) -> Result<Answer, Error>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let io = TokioIo::new(channel.stream);
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER);
    let (mut sender, connection) = builder.handshake(io).await.map_err(Error::Http)?;
    let mut connection = Box::pin(connection);
    let call = async {
        let answer = sender.send_request(request).await.map_err(Error::Http)?;
        collect(answer, most).await
    };
    let mut call = Box::pin(call);
    tokio::select! {
        result = &mut call => result,
        driven = &mut connection => {
            // The answer may be complete although the connection ended.
            driven.map_err(Error::Http)?;
            call.await
        }
    }
}

async fn collect(answer: Response<Incoming>, most: usize) -> Result<Answer, Error> {
    let (head, body) = answer.into_parts();
    let body = timeout(ANSWER, Limited::new(body, most).collect()).await.map_err(|_| Error::Timeout)?;
    Ok(Answer { status: head.status, headers: head.headers, body: body.map_err(Error::Body)?.to_bytes() })
}
