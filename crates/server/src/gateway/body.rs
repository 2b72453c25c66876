//! Request bodies: bounded in size and in time before anything looks at them.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::reply::Refused;

/// A small body comes within this time or not at all.
const PATIENCE: Duration = Duration::from_secs(15);

/// The whole body, at most `most` bytes.
pub async fn read(body: Incoming, most: usize) -> Result<Bytes, Refused> {
    let collected = tokio::time::timeout(PATIENCE, Limited::new(body, most).collect()).await;
    match collected {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body is larger than {most} bytes"),
        )),
        Ok(Err(_)) => Err(Refused::new(StatusCode::BAD_REQUEST, "malformed", "the body broke off")),
        Err(_) => Err(Refused::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body came too slowly")),
    }
}
