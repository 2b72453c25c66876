//! A file that a person gave to a shell, from the gateway.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http::{Method, StatusCode};
use quell_wire::digest::sha256;
use quell_wire::shell::{FILES, PUT, SHELLS};

use super::line::{failure, nothing};
use super::{Error, Failure, Gateway, pause};
use crate::backoff::Backoff;
use crate::request::{self, to};
use crate::runner::Cancel;

/// Fetches the file `artifact` of the shell `order`. Nothing else than a body with that digest is returned.
pub async fn given(
    gateway: &Gateway,
    (order, artifact): (&str, &str),
    digest: &[u8; 32],
    cancel: &Cancel,
) -> Result<Vec<u8>, Error> {
    let fetch = async {
        let mut backoff = Backoff::default();
        loop {
            match attempt(gateway, (order, artifact), digest).await {
                Ok(body) => return Ok(body),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again(why, asked)) => pause(&mut backoff, &why, asked, cancel).await?,
            }
        }
    };
    tokio::select! {
        fetched = fetch => fetched,
        () = cancel.asked() => Err(Error::Canceled),
    }
}

async fn attempt(
    gateway: &Gateway,
    (order, artifact): (&str, &str),
    digest: &[u8; 32],
) -> Result<Vec<u8>, Failure> {
    let mut line = gateway.line().await?;
    let get = to(Method::GET.as_str(), &format!("{SHELLS}/{order}/{FILES}/{artifact}"));
    let get = get.body(nothing()).map_err(request::Error::Request)?;
    let answer = line.send(get, PUT as usize, &Arc::new(AtomicU64::new(0))).await?;
    if answer.status != StatusCode::OK {
        return Err(failure(answer));
    }
    if sha256(&[&answer.body]) != *digest {
        return Err(Failure::Final(Error::Digest));
    }
    Ok(answer.body.to_vec())
}
