//! A body of the library from the gateway, by its digest.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::{Method, StatusCode};
use quell_catalog::library::Kind;
use quell_wire::digest::{hex, sha256};
use quell_wire::path::LIBRARY;
use tokio::time::timeout;

use super::line::{failure, nothing};
use super::{Error, Failure, Gateway, pause};
use crate::backoff::Backoff;
use crate::request::{self, to};
use crate::runner::Cancel;

/// In all. An endpoint that cannot fetch what an order names must not hold the order for hours.
const LIMIT: Duration = Duration::from_mins(10);

/// Fetches the body of this kind whose SHA-256 this is. Nothing else than a body with that digest is returned, and none
/// that is larger than its kind may be.
pub async fn library(
    gateway: &Gateway,
    kind: Kind,
    digest: &[u8; 32],
    cancel: &Cancel,
) -> Result<Vec<u8>, Error> {
    let mut last = "no try was made".to_owned();
    let fetch = async {
        let mut backoff = Backoff::default();
        loop {
            match attempt(gateway, kind, digest).await {
                Ok(body) => return Ok(body),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again(why, asked)) => {
                    last.clone_from(&why);
                    pause(&mut backoff, &why, asked, cancel).await?;
                }
            }
        }
    };
    let fetched = tokio::select! {
        fetched = timeout(LIMIT, fetch) => fetched,
        () = cancel.asked() => return Err(Error::Canceled),
    };
    fetched.unwrap_or(Err(Error::Time { limit: LIMIT, last }))
}

async fn attempt(gateway: &Gateway, kind: Kind, digest: &[u8; 32]) -> Result<Vec<u8>, Failure> {
    let mut line = gateway.line().await?;
    let get = to(Method::GET.as_str(), &format!("{LIBRARY}/{}", hex(digest)));
    let get = get.body(nothing()).map_err(request::Error::Request)?;
    let answer = line.send(get, kind.most_bytes() as usize, &Arc::new(AtomicU64::new(0))).await?;
    if answer.status != StatusCode::OK {
        return Err(failure(answer));
    }
    if sha256(&[&answer.body]) != *digest {
        return Err(Failure::Final(Error::Digest));
    }
    Ok(answer.body.to_vec())
}
