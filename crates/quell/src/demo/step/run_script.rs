//! `endpoint.run_script`: a script of the library runs on the isolated endpoint, and leaves what it should.

use std::time::Instant;

use serde_json::json;

use crate::demo::report::{Report, Seen, judged};
use crate::demo::stage::Stage;
use crate::failure::Failure;
use crate::output::table::field;

/// Looks around, and keeps a copy on the endpoint.
const BODY: &str = "#!/bin/sh\n\
    set -eu\n\
    umask 077\n\
    { echo \"host $(uname -n)\"; echo \"case $1\"; ls -la /var/tmp; } | tee /var/tmp/triage.txt\n";
const CASE: &str = "case-2041";
const LEFT: &str = "/var/tmp/triage.txt";

/// Shows it.
pub async fn show(stage: &Stage, report: &mut Report) -> Result<(), Failure> {
    let script =
        json!({"name": "triage", "interpreter": "sh", "body": BODY, "description": "First look at a host"});
    let version = stage.people.client("maria")?.post("/api/v1/library/script", &script, None).await?;
    let began = Instant::now();
    let params = json!({"script": "triage", "arguments": [CASE]});
    let task = stage.act("endpoint.run_script", params, "first look, while it is cut off").await?;
    let took = began.elapsed();
    let mut seen = Seen::default();
    seen.judged(judged(&task));
    let (listed, ran) = (field(&version, "/sha256"), field(&task, "/commands/items/0/outcome/sha256"));
    seen.must(listed == ran, format!("here: the library holds the body that ran, SHA-256 {listed}"));
    let said = field(&task, "/commands/items/0/outcome/stdout/text");
    seen.must(
        said.contains("host hr-laptop") && said.contains(CASE),
        "here: its output names the endpoint and the argument",
    );
    let left = std::fs::read_to_string(stage.suspect.endpoint.path(LEFT)).unwrap_or_default();
    seen.must(
        !left.is_empty() && left == said,
        format!("endpoint: {LEFT} on its disk holds the same {} bytes", left.len()),
    );
    report.step("endpoint.run_script", stage.suspect.name(), &field(&task, "/state"), &seen, took)
}
