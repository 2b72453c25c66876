//! One connection to the gateway that carries several requests, each with a bound on silence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::{Error, Failure, Gateway};
use crate::request::{self, Answer};

/// Nothing moved for this long: the connection is given up. The gateway may check a large file before it
/// answers, so this is generous.
const SILENCE: Duration = Duration::from_mins(1);
/// Buffer of the connection. Bytes.
const BUFFER: usize = 128 << 10;

/// A body whose length the headers say.
pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// No body.
pub(super) fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A connection. Closed when dropped.
pub(super) struct Line {
    sender: http1::SendRequest<Body>,
    driver: AbortHandle,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Gateway {
    /// Connects by the first way that works.
    pub(super) async fn line(&self) -> Result<Line, Failure> {
        let routes = self.dialer.routes(&self.identity.targets()).await.map_err(request::Error::from)?;
        let mut last = Failure::Again("no address of the server is known".to_owned(), None);
        for route in routes {
            match self.dialer.connect(&route, self.identity.tls()).await {
                Ok(channel) => {
                    let mut builder = http1::Builder::new();
                    builder.max_buf_size(BUFFER);
                    let (sender, connection) = builder
                        .handshake(TokioIo::new(channel.stream))
                        .await
                        .map_err(request::Error::Http)?;
                    let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
                    return Ok(Line { sender, driver });
                }
                Err(error) => last = request::Error::from(error).into(),
            }
        }
        Err(last)
    }
}

impl Line {
    /// Sends a request and reads the answer, at most `most` bytes of its body. `moved` counts what the body
    /// has handed out: as long as it grows, there is no silence.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
        most: usize,
        moved: &Arc<AtomicU64>,
    ) -> Result<Answer, Failure> {
        timeout(SILENCE, self.sender.ready())
            .await
            .map_err(|_| request::Error::Timeout)?
            .map_err(request::Error::Http)?;
        let mut call = Box::pin(self.sender.send_request(request));
        let mut seen = moved.load(Ordering::Relaxed);
        let answer = loop {
            if let Ok(answer) = timeout(SILENCE, &mut call).await {
                break answer.map_err(request::Error::Http)?;
            }
            let now = moved.load(Ordering::Relaxed);
            if now == seen {
                return Err(request::Error::Timeout.into());
            }
            seen = now;
        };
        let (head, body) = answer.into_parts();
        let body = timeout(SILENCE, Limited::new(body, most).collect()).await;
        let body = body.map_err(|_| request::Error::Timeout)?.map_err(request::Error::Body)?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// A number in a header, as the protocol writes it.
pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    let is_plain = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

/// What an answer that is no success means for the next try.
pub(super) fn failure(answer: Answer) -> Failure {
    let status = answer.status;
    let asked =
        number(&answer.headers, header::RETRY_AFTER.as_str()).map(|s| u32::try_from(s).unwrap_or(u32::MAX));
    let patient = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY)
        // Without a time to wait it is a limit that waiting does not lift.
        || (status == StatusCode::TOO_MANY_REQUESTS && asked.is_some());
    match answer.success() {
        Ok(_) => Failure::Final(Error::Protocol("a success of an unknown kind")),
        Err(request::Error::Refused { status, code, message }) if !patient => {
            Failure::Final(Error::Refused { status, code, message })
        }
        Err(error) => Failure::Again(error.to_string(), asked),
    }
}
