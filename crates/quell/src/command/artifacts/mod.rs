//! `quell artifacts`: files that were brought in.

mod browse;
mod download;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, text};

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "STATE", cell: |row| field(row, "/state") },
    Column { heading: "BYTES", cell: |row| field(row, "/size") },
    Column { heading: "STORED", cell: |row| moment::of(row, "/stored_at") },
    Column { heading: "EXPIRES", cell: |row| moment::of(row, "/expires_at") },
    Column { heading: "TASK", cell: |row| field(row, "/task_id") },
];

/// What to do with artifacts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List artifacts, newest first
    List(List),
    /// Download an artifact; its SHA-256 is checked, and a download that broke off goes on where it stopped
    Get(Get),
    /// List what an archive holds, without unpacking it; recorded like reading its password
    Entries(browse::Entries),
    /// Take one file out of an archive
    Entry(browse::Entry),
    /// Where an archive came from, that it is the one that came, and who looked at it
    Custody(browse::Custody),
    /// Verify an archive offline: its hash, the endpoint's seal, the server's receipt, and its content
    Verify(verify::Verify),
    /// The password of a task's archives (AES-256, for 7-Zip); reading it stands in the audit log
    Password(Which),
}

/// Which artifacts.
#[derive(Debug, Args)]
pub struct List {
    /// Of this task
    #[arg(long, value_name = "ID")]
    task: Option<String>,
    /// In this state: uploading, stored, failed, expired or deleted
    #[arg(long)]
    state: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// One artifact, or those of a task.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Id of the artifact
    artifact: Option<String>,
    /// Id of the task that brought it in
    #[arg(long, value_name = "ID")]
    task: Option<String>,
}

/// What to download.
#[derive(Debug, Args)]
pub struct Get {
    #[command(flatten)]
    which: Which,
    /// The folder to write to
    #[arg(long, short, value_name = "FOLDER", default_value = ".")]
    directory: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    if let Command::Verify(verify) = &command {
        return verify.run(context.format);
    }
    let client = context.client()?;
    match command {
        Command::List(list) => {
            let filters = [("task", &list.task), ("state", &list.state)];
            let query: Vec<(&str, String)> =
                filters.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
            output::list(
                context.format,
                &client.list("/api/v1/artifacts", &query, list.limit).await?,
                COLUMNS,
            )
        }
        Command::Get(get) => get.run(&client, context).await,
        Command::Entries(entries) => entries.run(&client, context.format).await,
        Command::Entry(entry) => entry.run(&client, context.format).await,
        Command::Custody(custody) => custody.run(&client, context.format).await,
        Command::Verify(verify) => verify.run(context.format),
        Command::Password(which) => {
            let task = match (&which.task, &which.artifact) {
                (Some(task), _) => task.clone(),
                (None, Some(id)) => field(&one(&client, id).await?, "/task_id"),
                (None, None) => String::new(),
            };
            let path = format!("/api/v1/tasks/{}/archive-password", segment(&task));
            let answer = client.post(&path, &json!({}), None).await?;
            output::one(context.format, &answer, |answer| {
                text::visible(&field(answer, "/password")).into_owned()
            })
        }
    }
}

/// Downloads an artifact into a folder; answers the file.
pub async fn fetch(client: &Client, artifact: &Value, folder: &Path) -> Result<PathBuf, Failure> {
    download::fetch(client, artifact, &folder.join(download::file_name(artifact)), false).await
}

async fn one(client: &Client, id: &str) -> Result<Value, Failure> {
    client.get(&format!("/api/v1/artifacts/{}", segment(id)), &[]).await
}

impl Get {
    async fn run(&self, client: &Client, context: &Context) -> Result<(), Failure> {
        let artifacts = match (&self.which.task, &self.which.artifact) {
            (Some(task), _) => client.list("/api/v1/artifacts", &[("task", task.clone())], 10_000).await?,
            (None, Some(id)) => vec![one(client, id).await?],
            (None, None) => Vec::new(),
        };
        if artifacts.is_empty() {
            return Err(
                Failure::new("the task has brought in no file").hint("quell tasks show says how it ended")
            );
        }
        std::fs::create_dir_all(&self.directory)
            .map_err(|error| Failure::new(format!("making {}: {error}", self.directory.display())))?;
        let mut written = Vec::new();
        for artifact in &artifacts {
            let name = download::file_name(artifact);
            let path = download::fetch(client, artifact, &self.directory.join(name), self.force).await?;
            written.push(json!({
                "id": field(artifact, "/id"), "path": path.to_string_lossy(), "sha256": field(artifact, "/sha256"),
            }));
        }
        let columns = [
            Column { heading: "FILE", cell: |row| field(row, "/path") },
            Column { heading: "SHA-256, CHECKED", cell: |row| field(row, "/sha256") },
        ];
        output::list(context.format, &written, &columns)
    }
}
