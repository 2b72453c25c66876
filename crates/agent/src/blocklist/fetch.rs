//! From the server to the disk: every delta is checked, merged and only then counts.

use http::{Method, StatusCode};
use http_body_util::Full;
use quell_wire::blocklist::{Follower, Step, unframe};
use quell_wire::path::BLOCK_LIST;

use super::store::{Kept, Store};
use super::{Error, blocking};
use crate::request::{self, to};
use crate::runner::chain;
use crate::transfer::Gateway;

/// The largest answer that is taken at once: half a million objects of forty bytes, and their names. Bytes.
const ANSWER: usize = 128 << 20;

/// What is kept after everything that the server had was taken; `before` where there is nothing newer. Where the file of
/// `before` is not whole, the whole list is asked for, which may not be older.
pub async fn fetch(gateway: &Gateway, store: &Store, before: Kept, is_whole: bool) -> Result<Kept, Error> {
    let from = if is_whole { before.version } else { 0 };
    let body = get(gateway, from).await?;
    if body.is_empty() {
        return Ok(before);
    }
    let me = gateway.identity.me().tenant_id.clone();
    let (trust, store) = (gateway.identity.trust(), store.clone());
    blocking(move || {
        let mut follower = Follower::new(&me, before.held());
        let mut kept = before;
        let mut snapshot: Option<Kept> = None;
        let mut rest = body.as_ref();
        while !rest.is_empty() {
            let (signed, length) = unframe(rest)?.ok_or(quell_wire::blocklist::Error::Malformed)?;
            rest = rest.get(length..).unwrap_or_default();
            match follower.take(&signed, &trust)? {
                Step::Change(delta) => {
                    let held = follower.held();
                    let file = format!("objects-{}", held.version);
                    let crc = store.merge(kept.file.as_deref(), &delta, &file)?;
                    kept = Kept { version: held.version, digest: held.digest.clone(), file: Some(file), crc };
                    store.save(&kept)?;
                }
                Step::Part { is_first, is_last, delta } => {
                    let parts = if is_first { None } else { snapshot.take() };
                    let number = parts.as_ref().map_or(0, |parts| parts.version + 1);
                    // Not a name of a version: what is not complete does not count.
                    let file = format!("part-{}", number % 2);
                    let crc = store.merge(parts.and_then(|parts| parts.file).as_deref(), &delta, &file)?;
                    snapshot = Some(Kept { version: number, digest: Vec::new(), file: Some(file), crc });
                    if is_last {
                        kept = complete(&store, &follower, snapshot.take().unwrap_or_default())?;
                    }
                }
            }
        }
        Ok(kept)
    })
    .await?
}

fn complete(store: &Store, follower: &Follower, parts: Kept) -> Result<Kept, Error> {
    let held = follower.held();
    let file = format!("objects-{}", held.version);
    let part = parts.file.unwrap_or_default();
    std::fs::rename(store.path(&part), store.path(&file)).map_err(Error::File)?;
    let kept = Kept { version: held.version, digest: held.digest.clone(), file: Some(file), crc: parts.crc };
    store.save(&kept)?;
    for part in ["part-0", "part-1"] {
        // Absent, or written over by the next snapshot.
        let _ = std::fs::remove_file(store.path(part));
    }
    Ok(kept)
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Error {
    Error::Fetch(chain(error))
}

async fn get(gateway: &Gateway, from: u64) -> Result<bytes::Bytes, Error> {
    let routes = gateway.dialer.routes(&gateway.identity.targets()).await.map_err(|error| failed(&error))?;
    let mut last = Error::Fetch("no address of the server is known".to_owned());
    for route in routes {
        let get = to(Method::GET.as_str(), &format!("{BLOCK_LIST}?from={from}"));
        let get = get.body(Full::default()).map_err(|error| failed(&error))?;
        let answer = request::send(&gateway.dialer, &route, gateway.identity.tls(), get, ANSWER).await;
        match answer.and_then(request::Answer::success) {
            Ok(answer) if answer.status == StatusCode::NO_CONTENT => return Ok(bytes::Bytes::new()),
            Ok(answer) => return Ok(answer.body),
            Err(error) => last = failed(&error),
        }
    }
    Err(last)
}
