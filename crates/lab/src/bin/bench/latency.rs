//! From a request to its start on the agent and to its verified outcome, one request after the other.
//!
//! The start is the moment at which the agent calls the action's handler: the order arrived, was checked, is
//! written down and synced. Swarm and client are one process, so both moments are of one monotonic clock. The
//! end is the server's own `ended_at`, written with the verified outcome; client and server share the
//! machine's wall clock.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use quell_agent::clock::Clock;
use serde_json::json;

use crate::api::{micros, text};
use crate::fleet::Fleet;
use crate::report::{Report, milliseconds, percentile};
use crate::run::Scale;

/// Requests before the first that counts.
const WARM_UP: usize = 20;
/// Between two looks at a task that has begun.
const LOOK: Duration = Duration::from_millis(2);

/// Milliseconds since right before the request was sent.
struct Sample {
    answered: f64,
    started: f64,
    verified: f64,
}

/// Measures.
pub async fn measure(fleet: &Fleet, scale: &Scale, report: &mut Report) -> Result<()> {
    let endpoints = fleet.endpoints();
    fleet.seen.record(true);
    let mut samples = Vec::with_capacity(scale.samples);
    for number in 0..WARM_UP + scale.samples {
        let endpoint = endpoints.get(number % endpoints.len()).context("no endpoint")?;
        let sample = one(fleet, endpoint).await?;
        if number >= WARM_UP {
            samples.push(sample);
        }
    }
    fleet.seen.record(false);
    let column = |pick: fn(&Sample) -> f64| samples.iter().map(pick).collect::<Vec<_>>();
    let answered = column(|sample| sample.answered);
    let started = column(|sample| sample.started);
    let verified = column(|sample| sample.verified);
    report.figure("post_to_start_ms_p50", percentile(&started, 50.0));
    report.figure("post_to_start_ms_p99", percentile(&started, 99.0));
    report.figure("post_to_verified_ms_p50", percentile(&verified, 50.0));
    report.row(
        "request answered, p50 / p99",
        &format!("{:.2} / {:.2} ms", percentile(&answered, 50.0), percentile(&answered, 99.0)),
    );
    report.row("request to verified outcome, p99", &format!("{:.2} ms", percentile(&verified, 99.0)));
    report.raw(
        "latency",
        json!({
            "samples": samples.len(), "agents_connected": fleet.connected(),
            "post_to_answer_ms": milliseconds(&answered),
            "post_to_start_ms": milliseconds(&started),
            "post_to_verified_ms": milliseconds(&verified),
        }),
    );
    Ok(())
}

async fn one(fleet: &Fleet, endpoint: &str) -> Result<Sample> {
    let (began, began_us) = (Instant::now(), Clock::system().now_us());
    let task = fleet.api.submit(endpoint).await?;
    let answered = began.elapsed().as_secs_f64() * 1e3;
    let order = text(&task["commands"]["items"][0], "id")?;
    let started = fleet.seen.began(order).await?;
    let ended = fleet.ended(text(&task, "id")?, LOOK, Duration::from_secs(20)).await?;
    if text(&ended, "state")? != "succeeded" {
        bail!("a task ended as {ended}");
    }
    Ok(Sample {
        answered,
        started: started.duration_since(began).as_secs_f64() * 1e3,
        verified: (micros(&ended, "ended_at")? - began_us) as f64 / 1e3,
    })
}
