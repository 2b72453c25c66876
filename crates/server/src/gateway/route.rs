//! Which request is which, and who may make it.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use quell_wire::path;
use quell_wire::shell::SHELLS;

use super::connection::Connection;
use super::reply::{Refused, Reply};
use super::{Shared, blocklist, enrol, library, ping, renew, session, shell, upload};

/// Answers a request; what is refused is an answer too.
pub async fn answer(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Reply, Infallible> {
    let close = connection.peer.is_none();
    let mut reply = match dispatch(shared, connection, request).await {
        Ok(reply) => reply,
        Err(refused) => {
            tracing::debug!(code = refused.code, "refused: {refused}");
            refused.into()
        }
    };
    if close {
        // A stranger's place is short: one request, one connection.
        reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(reply)
}

async fn dispatch(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Reply, Refused> {
    let method = request.method().clone();
    let target = request.uri().path().to_owned();
    let below = |root: &str| target.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'));
    // Each future is boxed: the largest of them would otherwise be held by every connection.
    match (method, target.as_str()) {
        (Method::GET, path::PING) => ping::answer(request.headers()),
        (Method::POST, path::ENROL) => Box::pin(enrol::answer(&shared, connection.remote, request)).await,
        (Method::POST, path::RENEW) => Box::pin(renew::answer(&shared, &connection, request)).await,
        (Method::GET, path::BLOCK_LIST) => Box::pin(blocklist::answer(&shared, &connection, request)).await,
        (Method::GET, path::SESSION) => Box::pin(session::upgrade(shared, connection, request)).await,
        (method, _) => {
            if let Some(rest) = below(path::UPLOADS) {
                return Box::pin(upload::answer(&shared, &connection, &method, rest, request)).await;
            }
            if let (&Method::GET, Some(digest)) = (&method, below(path::LIBRARY)) {
                return Box::pin(library::answer(&shared, &connection, digest)).await;
            }
            if let (&Method::GET, Some(rest)) = (&method, below(SHELLS)) {
                return Box::pin(shell::answer(shared, connection, rest, request)).await;
            }
            Err(Refused::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here"))
        }
    }
}
