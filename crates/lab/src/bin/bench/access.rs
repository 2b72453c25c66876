//! What access costs: signing in, being known at each request, and deciding about a request of an outside team.
//!
//! Being known is measured as a difference: an open route and one that asks for a permission, both of which do next to
//! nothing, asked in turns over the same kept connections. What the database said of a credential is believed for a
//! second, so the first request after that is measured by itself.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::api::{Api, text};
use crate::fleet::Fleet;
use crate::report::{Report, milliseconds, percentile};
use crate::run::{Places, Scale};
use crate::server::Server;

const PASSWORD: &str = "a rather long passphrase";
/// Sign-ins, each of which costs a slow hash.
const LOGINS: usize = 20;
/// Requests after a pause, and the pause: longer than what is known of a credential is believed.
const FIRST: usize = 15;
const PAUSE: Duration = Duration::from_millis(1100);
/// Requests before the first that counts.
const WARM_UP: usize = 50;

/// Measures.
pub async fn measure(places: &Places, scale: &Scale, report: &mut Report) -> Result<()> {
    let server = Server::start(places).await?;
    let mut fleet = Fleet::new(&server, places)?;
    fleet.grow(1).await?;
    let nobody = server.api.with_key("");
    let code = std::fs::read_to_string(server.folder().join("setup.code")).context("the set-up code")?;
    let first =
        json!({ "code": code.trim(), "name": "Ada", "email": "ada@bench.example", "password": PASSWORD });
    nobody.post("/setup", &first).await?;
    let (ada, logins) = log_in(&nobody).await?;
    report.figure("login_ms_p50", percentile(&logins, 50.0));
    let (known, first) = identify(&nobody, &ada, scale).await?;
    report.figure("authorization_ms_p50", known);
    report.figure("authorization_first_ms_p50", first);
    let decisions = decide(&nobody, &ada, fleet.endpoints().first().context("no endpoint")?, scale).await?;
    report.figure("decision_ms_p50", percentile(&decisions, 50.0));
    report
        .raw("access", json!({ "login_ms": milliseconds(&logins), "decision_ms": milliseconds(&decisions) }));
    fleet.stop().await;
    server.stop().await
}

async fn session(nobody: &Api, email: &str) -> Result<Api> {
    let body = json!({ "email": email, "password": PASSWORD, "deliver": "token" });
    Ok(nobody.with_key(text(&nobody.post("/session", &body).await?, "token")?))
}

async fn log_in(nobody: &Api) -> Result<(Api, Vec<f64>)> {
    let mut times = Vec::with_capacity(LOGINS);
    let mut last = session(nobody, "ada@bench.example").await?;
    for _ in 0..LOGINS {
        let began = Instant::now();
        last = session(nobody, "ada@bench.example").await?;
        times.push(since(began));
    }
    Ok((last, times))
}

/// What it costs to be known: at most requests, and at the first after a pause. Milliseconds, differences of medians.
async fn identify(nobody: &Api, ada: &Api, scale: &Scale) -> Result<(f64, f64)> {
    let (mut open, mut asked) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + scale.samples {
        let (one, two) = (time(nobody, "/setup").await?, time(ada, "/problems/not_found").await?);
        if number >= WARM_UP {
            open.push(one);
            asked.push(two);
        }
    }
    let (mut open_first, mut asked_first) = (Vec::new(), Vec::new());
    for _ in 0..FIRST {
        tokio::time::sleep(PAUSE).await;
        // The connection and the processor wake up with the first of them, whoever is known.
        time(nobody, "/setup").await?;
        open_first.push(time(nobody, "/setup").await?);
        asked_first.push(time(ada, "/problems/not_found").await?);
    }
    let middle = |times: &[f64]| percentile(times, 50.0);
    Ok((middle(&asked) - middle(&open), middle(&asked_first) - middle(&open_first)))
}

async fn time(api: &Api, path: &str) -> Result<f64> {
    let began = Instant::now();
    api.get_unread(path).await?;
    Ok(since(began))
}

/// Approvals of a person of the tenant, one after the other, each of a request that waits.
async fn decide(nobody: &Api, ada: &Api, endpoint: &str, scale: &Scale) -> Result<Vec<f64>> {
    let arno = person(nobody, ada, "arno", "approver").await?;
    let olga = person(nobody, ada, "olga", "operations").await?;
    let mut times = Vec::new();
    for _ in 0..scale.samples.div_ceil(5) {
        let task = olga.submit(endpoint).await?;
        if task["state"] != "pending_approval" {
            bail!("a request of an outside team did not wait: {task}");
        }
        let path = format!("/approvals/{}/approve", text(&task, "id")?);
        let body = json!({ "digest": text(&task, "intent_sha256")? });
        let began = Instant::now();
        let decided: Value = arno.post(&path, &body).await?;
        times.push(since(began));
        if decided["request"]["state"] != "approved" {
            bail!("it was not approved: {decided}");
        }
    }
    Ok(times)
}

async fn person(nobody: &Api, ada: &Api, name: &str, role: &str) -> Result<Api> {
    let email = format!("{name}@bench.example");
    let invited = ada.post("/people", &json!({ "name": name, "email": email, "roles": [role] })).await?;
    let token = text(&invited["ticket"], "token")?;
    nobody.send("/tickets/redeem", &json!({ "token": token, "password": PASSWORD })).await?;
    session(nobody, &email).await
}

fn since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
