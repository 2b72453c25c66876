//! `file.collect`: the beacon's script is brought in, and opened with 7-Zip on the other side.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use ring::digest;
use serde_json::{Value, json};

use crate::command::artifacts;
use crate::demo::beacon;
use crate::demo::report::{Report, Seen, judged};
use crate::demo::stage::Stage;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::text;

/// Shows it.
pub async fn show(stage: &Stage, report: &mut Report) -> Result<(), Failure> {
    let began = Instant::now();
    let task = stage.act("file.collect", json!({"path": beacon::SCRIPT}), "what did it run?").await?;
    let took = began.elapsed();
    let mut seen = Seen::default();
    seen.judged(judged(&task));
    let told = field(&task, "/commands/items/0/outcome/sha256");
    let there = std::fs::read(stage.suspect.endpoint.path(beacon::SCRIPT))?;
    seen.must(
        sha256(&there) == told,
        format!("endpoint: the file on its disk has SHA-256 {}", sha256(&there)),
    );
    match brought_in(stage, &task).await {
        Ok(here) => {
            let held = here.contains(&there);
            seen.must(
                held,
                format!("here: 7-Zip opens the archive, with the same {} bytes in it", there.len()),
            );
        }
        Err(failure) => seen.must(false, format!("the archive opens: {}", failure.message)),
    }
    report.step("file.collect", stage.suspect.name(), &field(&task, "/state"), &seen, took)
}

/// What is in the downloaded archive: the file and what goes with it.
async fn brought_in(stage: &Stage, task: &Value) -> Result<Vec<Vec<u8>>, Failure> {
    let id = field(task, "/id");
    let list = stage.client.list("/api/v1/artifacts", &[("task", id.clone())], 2).await?;
    let artifact = list.first().ok_or_else(|| Failure::new("the server holds no archive"))?;
    let archive = artifacts::fetch(&stage.client, artifact, stage.folder.path()).await?;
    let password =
        stage.client.post(&format!("/api/v1/tasks/{id}/archive-password"), &json!({}), None).await?;
    extract(&archive, &field(&password, "/password"), &stage.folder.path().join("opened"))
}

fn extract(archive: &Path, password: &str, into: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let beyond = |error: std::io::Error| Failure::new(format!("7z: {error}")).hint("install p7zip-full");
    let mut command = Command::new("7z");
    command.args(["e", "-y", "-bd"]).arg(format!("-p{password}"));
    let output = command.arg(format!("-o{}", into.display())).arg(archive).output().map_err(beyond)?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Failure::new(format!("7z ended with {}: {told}", output.status)));
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(into)? {
        files.push(std::fs::read(entry?.path())?);
    }
    Ok(files)
}

fn sha256(bytes: &[u8]) -> String {
    text::hex(digest::digest(&digest::SHA256, bytes).as_ref())
}
