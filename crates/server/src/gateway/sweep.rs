//! One timer for all sessions: ends the silent and the expired, and writes down who was heard.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use quell_store::endpoint;

use super::Shared;
use super::sessions::{Handle, goodbye};

/// What was heard is written down every so many rounds.
const NOTE_EVERY: u32 = 2;
/// Endpoints noted in one transaction, so that others get their turn between.
const BATCH: usize = 1000;

/// Sweeps until aborted.
pub async fn run(shared: Arc<Shared>) {
    let mut rounds = tokio::time::interval(shared.settings.sweep);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut number = 0_u32;
    loop {
        rounds.tick().await;
        number = number.wrapping_add(1);
        end_dead(&shared);
        if number.is_multiple_of(NOTE_EVERY) {
            flush_seen(&shared).await;
            if let Err(error) = shared.block_lists.flush().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "what agents enforce was not written down"
                );
            }
            if let Err(error) = shared.protections.flush().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "how recorders do was not written down"
                );
            }
        }
    }
}

fn end_dead(shared: &Shared) {
    let now = shared.now_us();
    let silence = i64::from(shared.settings.keep_alive_s) * 3_000_000;
    let grace = shared.settings.certificate_grace.as_micros() as i64;
    for handle in shared.sessions.all() {
        if now.saturating_sub(handle.heard_us.load(Ordering::Relaxed)) > silence {
            tracing::info!(endpoint.id = %handle.endpoint, "an agent fell silent");
            shared.sessions.evict(&handle);
        } else if now.saturating_sub(handle.not_after_us.load(Ordering::Relaxed)) > grace {
            tracing::info!(endpoint.id = %handle.endpoint, "an agent did not renew its certificate");
            handle.dismiss(goodbye("certificate_expired", "renew the certificate and connect again", 0));
        }
    }
}

/// Writes down when endpoints were last heard, as far as that is news.
pub async fn flush_seen(shared: &Shared) {
    let departed = shared.sessions.take_departed();
    let news: Vec<_> = shared.sessions.all().into_iter().chain(departed).filter_map(news).collect();
    for batch in news.chunks(BATCH) {
        let rows: Vec<_> = batch.iter().map(|(handle, at)| (handle.tenant, handle.endpoint, *at)).collect();
        let written = shared.store.write(move |tx| endpoint::seen(tx, &rows)).await;
        match written {
            Ok(()) => batch.iter().for_each(|(handle, at)| handle.noted_us.store(*at, Ordering::Relaxed)),
            Err(error) => {
                let error: quell_store::Error = error;
                tracing::warn!(error = &error as &dyn std::error::Error, "who was seen was not written down");
                return;
            }
        }
    }
}

fn news(handle: Arc<Handle>) -> Option<(Arc<Handle>, i64)> {
    let heard = handle.heard_us.load(Ordering::Relaxed);
    (heard > handle.noted_us.load(Ordering::Relaxed)).then_some((handle, heard))
}
