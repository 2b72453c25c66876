//! What leads an agent from its version of the block list to the newest.

use http::{Request, StatusCode};
use hyper::body::Incoming;

use super::Shared;
use super::admit::admit;
use super::connection::Connection;
use super::reply::{self, Refused, Reply};

/// Answers with deltas or a snapshot, `?from={version}`; 204 where there is nothing newer.
pub async fn answer(
    shared: &Shared,
    connection: &Connection,
    request: Request<Incoming>,
) -> Result<Reply, Refused> {
    let admitted = admit(shared, connection).await?;
    let from = request.uri().query().and_then(|query| query.strip_prefix("from="));
    let from = from.and_then(|digits| digits.parse::<u64>().ok()).ok_or_else(|| {
        Refused::new(StatusCode::BAD_REQUEST, "malformed", "say which version is held: ?from=0 for none")
    })?;
    let since = shared.block_lists.since(admitted.endpoint().tenant_id, from).await;
    match since {
        Ok(Some(body)) => Ok(reply::bytes(StatusCode::OK, body)),
        Ok(None) => Ok(reply::bytes(StatusCode::NO_CONTENT, bytes::Bytes::new())),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a block list was not handed out");
            Err(Refused::busy("the server cannot hand the block list out now"))
        }
    }
}
