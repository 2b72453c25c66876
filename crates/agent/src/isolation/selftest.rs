//! Whether the server is still within reach: a connection made after the cut must answer. A connection that
//! stands from before proves nothing.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use quell_wire::digest::hex;
use quell_wire::path;
use tokio::time::{Instant, sleep, timeout};

use super::Isolation;
use crate::runner::chain;
use crate::{random, request};

/// For one way to the server.
const ATTEMPT: Duration = Duration::from_secs(3);
/// Between rounds over all ways.
const PAUSE: Duration = Duration::from_millis(300);
/// The answer has no body.
const BODY: usize = 1024;

impl Isolation {
    /// Tries for as long as `limit`; the error says why the last try failed.
    pub(super) async fn self_test(&self, limit: Duration) -> Result<(), String> {
        let end = Instant::now() + limit;
        let mut last = "no address of the server is known".to_owned();
        loop {
            for (address, target) in self.ways() {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(last);
                }
                let route = crate::dial::Route { address, target };
                match timeout(ATTEMPT.min(left), self.ask(&route)).await {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(why)) => last = why,
                    Err(_) => last = format!("{address} did not answer"),
                }
            }
            if Instant::now() + PAUSE >= end {
                return Err(last);
            }
            sleep(PAUSE).await;
        }
    }

    /// Known addresses with the gateway's name for a proxy. No name server is asked: it may be cut off.
    fn ways(&self) -> Vec<(std::net::SocketAddr, String)> {
        let targets = self.0.identity.targets();
        let addresses = self.servers();
        // Directly, the name does not matter; through a proxy, every name is tried at every address of it.
        let pairs =
            addresses.iter().flat_map(|address| targets.iter().map(|target| (*address, target.clone())));
        if self.0.dialer.is_proxied() {
            pairs.collect()
        } else {
            addresses.iter().map(|address| (*address, address.to_string())).collect()
        }
    }

    async fn ask(&self, route: &crate::dial::Route) -> Result<(), String> {
        let nonce = hex(&random::bytes::<16>().map_err(|error| error.to_string())?);
        let get = request::to("GET", path::PING)
            .header(path::NONCE, &nonce)
            .body(Full::new(Bytes::new()))
            .map_err(|error| error.to_string())?;
        let answer = request::send(&self.0.dialer, route, self.0.identity.tls(), get, BODY)
            .await
            .and_then(request::Answer::success)
            .map_err(|error| chain(&error))?;
        match answer.headers.get(path::NONCE) {
            Some(echo) if echo.as_bytes() == nonce.as_bytes() => Ok(()),
            _ => Err(format!("{} answered, but not to this question", route.address)),
        }
    }
}
