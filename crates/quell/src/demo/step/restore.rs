//! `endpoint.restore`, asked for by undoing the isolation: what was cut is open again, and the rules are exactly those of before.

use std::time::{Duration, Instant};

use quell_lab::site::Witness;
use serde_json::Value;

use crate::demo::report::{Report, Seen, judged};
use crate::demo::stage::{Stage, lab_failed};
use crate::failure::Failure;
use crate::output::table::field;

/// A list that was just changed may be told late.
const LATE: Duration = Duration::from_secs(5);

/// Shows it, as the undoing of the isolation.
pub async fn show(stage: &Stage, isolation: &str, report: &mut Report) -> Result<(), Failure> {
    let mut seen = Seen::default();
    let cut = rules(stage)?;
    seen.must(cut.contains("quell"), "endpoint: its rules hold the isolation before");
    let began = Instant::now();
    let task = stage.undo(isolation, "clean; back to work").await?;
    let took = began.elapsed();
    seen.judged(judged(&task));
    seen.must(
        rules(stage)?.trim().is_empty(),
        "endpoint: its rule set is empty, as it was before the isolation",
    );
    let witness = Witness::take(&stage.lab, &stage.suspect.endpoint).map_err(lab_failed)?;
    for way in witness.new_ways(&stage.lab, &stage.suspect.endpoint).map_err(lab_failed)? {
        seen.must(way.open, format!("after: {} is open", way.name));
    }
    seen.must(is_shown_restored(stage).await?, "server: the endpoint is shown as not isolated");
    report.step("endpoint.restore", stage.suspect.name(), &field(&task, "/state"), &seen, took)
}

async fn is_shown_restored(stage: &Stage) -> Result<bool, Failure> {
    let end = Instant::now() + LATE;
    loop {
        let shown = stage.suspect_record().await?.get("isolation").is_none_or(Value::is_null);
        if shown || Instant::now() > end {
            return Ok(shown);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// All rules of the endpoint's kernel, whoever made them.
fn rules(stage: &Stage) -> Result<String, Failure> {
    let listed = stage.suspect.endpoint.run(&["nft", "list", "ruleset"]).map_err(lab_failed)?;
    if !listed.ok() {
        return Err(Failure::new(format!("nft: {}", listed.stderr.trim())));
    }
    Ok(listed.stdout)
}
