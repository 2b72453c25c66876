//! `process.terminate`: the beacon and its child end, and nothing of it is heard any more.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::demo::beacon;
use crate::demo::report::{Report, Seen, judged};
use crate::demo::stage::Stage;
use crate::failure::Failure;
use crate::output::table::field;

/// Six times the beacon's pause.
const SILENCE: Duration = Duration::from_millis(1200);

/// Shows it.
pub async fn show(stage: &Stage, report: &mut Report) -> Result<(), Failure> {
    let process = beacon::start(&stage.lab, &stage.suspect)?;
    let mut seen = Seen::default();
    seen.must(beacon::heard(stage).await, "outside: lines of the beacon arrived before");
    let before = beacon::running(&stage.suspect)?;
    seen.must(before >= 2, format!("endpoint: {before} processes of {} ran before", beacon::PROGRAM));
    let began = Instant::now();
    let params = json!({"path": beacon::PROGRAM, "descendants": true});
    let task = stage.act("process.terminate", params, "calls home five times a second").await?;
    let took = began.elapsed();
    seen.judged(judged(&task));
    seen.must(!process.running(), "endpoint: the process has ended");
    let after = beacon::running(&stage.suspect)?;
    seen.must(after == 0, format!("endpoint: {after} processes of it run now"));
    let lines = stage.lab.outside().lines();
    tokio::time::sleep(SILENCE).await;
    let more = stage.lab.outside().lines() - lines;
    seen.must(more == 0, format!("outside: {more} lines arrived within {} ms after it", SILENCE.as_millis()));
    report.step("process.terminate", stage.suspect.name(), &field(&task, "/state"), &seen, took)
}
