//! The next certificate, asked for after two thirds of the life of the one held.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use prost::Message;
use quell_wire::enrol::{RenewRequest, RenewResponse, decode};
use quell_wire::{limits, path};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Context;
use crate::runner::chain;
use crate::{enrol, request};

/// For one way to the server.
const ATTEMPT: Duration = Duration::from_secs(45);
/// Between tries: at most this, and a tenth of the certificate's life where that is shorter.
const AGAIN_US: i64 = 3600 * 1_000_000;

/// The renewal belonging to one session.
pub struct Renewal {
    context: Context,
    next_us: Arc<AtomicI64>,
    done: Arc<Notify>,
}

impl Renewal {
    /// Nothing asked yet.
    pub fn new(context: &Context) -> Self {
        let next_us = Arc::new(AtomicI64::new(context.identity.renew_at_us()));
        Self { context: context.clone(), next_us, done: Arc::default() }
    }

    /// How long until the next look: the keep-alive, or less where the certificate is due before.
    pub fn next(&self, keep_alive: Duration) -> Duration {
        let left =
            self.next_us.load(Ordering::Relaxed).saturating_sub(self.context.clock.now_us()).max(200_000);
        keep_alive.min(Duration::from_micros(left.unsigned_abs()))
    }

    /// Whether it is time.
    pub fn is_due(&self) -> bool {
        self.context.clock.now_us() >= self.next_us.load(Ordering::Relaxed)
    }

    /// Asks, in a task of its own.
    pub fn start(&self) {
        let now_us = self.context.clock.now_us();
        let stored = self.context.identity.stored();
        let again = (stored.not_after_us.saturating_sub(stored.issued_at_us) / 10).clamp(1_000_000, AGAIN_US);
        self.next_us.store(now_us.saturating_add(again), Ordering::Relaxed);
        let (context, done) = (self.context.clone(), self.done.clone());
        tokio::spawn(async move {
            match renew(&context).await {
                Ok(()) => done.notify_one(),
                Err(why) => tracing::warn!(why, "the certificate was not renewed"),
            }
        });
    }

    /// Waits until there is a new certificate.
    pub async fn done(&self) {
        self.done.notified().await;
    }
}

async fn renew(context: &Context) -> Result<(), String> {
    let identity = &context.identity;
    let csr = enrol::csr(identity.key_der()).map_err(|error| chain(&error))?;
    let body = Bytes::from(RenewRequest { csr }.encode_to_vec());
    let routes = context.dialer.routes(&identity.targets()).await.map_err(|error| chain(&error))?;
    let mut last = "the gateway has no address".to_owned();
    for route in routes {
        let post =
            request::to("POST", path::RENEW).body(Full::new(body.clone())).map_err(|e| e.to_string())?;
        let sent = request::send(&context.dialer, &route, identity.tls(), post, limits::ENROL);
        let answer = timeout(ATTEMPT, sent).await.unwrap_or(Err(request::Error::Timeout));
        match answer.and_then(request::Answer::success) {
            Ok(answer) => {
                let renewed: RenewResponse =
                    decode(&answer.body).ok_or("the answer is not of this protocol")?;
                let now_us = context.clock.now_us();
                identity
                    .renew(renewed.certificate, now_us, renewed.not_after_us)
                    .map_err(|error| chain(&error))?;
                tracing::info!("certificate renewed");
                return Ok(());
            }
            Err(error) => last = chain(&error),
        }
    }
    Err(last)
}
