//! `endpoint.isolate`: every way out and in is cut, new and old, and the agent's channel lives.

use std::time::{Duration, Instant};

use quell_lab::ECHO_PORT;
use quell_lab::site::Witness;
use serde_json::{Value, json};

use crate::demo::report::{Report, Seen, judged};
use crate::demo::stage::{Stage, lab_failed};
use crate::failure::Failure;
use crate::output::table::field;

/// After this no byte may cross.
const SETTLE: Duration = Duration::from_secs(1);

/// Shows it; answers the task.
pub async fn show(stage: &Stage, report: &mut Report) -> Result<String, Failure> {
    let mut witness = Witness::take(&stage.lab, &stage.suspect.endpoint).map_err(lab_failed)?;
    let mut seen = Seen::default();
    for way in witness
        .old_ways()
        .into_iter()
        .chain(witness.new_ways(&stage.lab, &stage.suspect.endpoint).map_err(lab_failed)?)
    {
        seen.must(way.open, format!("before: {} is open", way.name));
    }
    let began = Instant::now();
    let canaries: Vec<String> =
        stage.lab.outside().sockets(ECHO_PORT).iter().map(ToString::to_string).collect();
    let task = stage.act("endpoint.isolate", json!({"canaries": canaries}), "contain while we look").await?;
    let took = began.elapsed();
    seen.judged(judged(&task));
    tokio::time::sleep(SETTLE).await;
    let mark = stage.lab.outside().mark();
    for way in witness
        .old_ways()
        .into_iter()
        .chain(witness.new_ways(&stage.lab, &stage.suspect.endpoint).map_err(lab_failed)?)
    {
        seen.must(!way.open, format!("after: {} is cut", way.name));
    }
    // All those attempts were made while this counted.
    let crossed = stage.lab.outside().received_since(&mark, stage.suspect.endpoint.addresses()).frames;
    seen.must(crossed == 0, format!("outside: {crossed} frames of it arrived, counted on the wire"));
    let record = stage.suspect_record().await?;
    seen.must(record.get("connected") == Some(&Value::Bool(true)), "server: the agent's channel lives");
    seen.must(
        record.get("isolation").is_some_and(|isolation| !isolation.is_null()),
        "server: the endpoint is shown as isolated",
    );
    report.step("endpoint.isolate", stage.suspect.name(), &field(&task, "/state"), &seen, took)?;
    Ok(field(&task, "/id"))
}
