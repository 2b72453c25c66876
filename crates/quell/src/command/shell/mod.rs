//! `quell shell` and `quell shells`: a terminal on an endpoint, and what is left of past ones.

mod line;
mod raw;
mod replay;
mod tame;
mod typist;
mod verb;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};

/// Between two looks at a task that waits for approval or for its endpoint.
const LOOK: Duration = Duration::from_millis(300);

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "ENDPOINT", cell: |row| field(row, "/endpoint_name") },
    Column { heading: "USER", cell: |row| field(row, "/user") },
    Column { heading: "ASKED BY", cell: |row| field(row, "/requester") },
    Column { heading: "STATE", cell: |row| field(row, "/state") },
    Column { heading: "BEGAN", cell: |row| moment::of(row, "/began_at") },
    Column { heading: "ENDED", cell: |row| moment::of(row, "/ended_at") },
    Column { heading: "WHY", cell: |row| field(row, "/reason") },
    Column { heading: "BY", cell: |row| field(row, "/ended_by") },
];

const KEYS: &str = "Keys: at the beginning of a line `~.` leaves (the shell goes on, `quell shells attach` comes back), \
                    `~!` ends the shell, `~:` asks for a verb of the agent (`help` lists them), `~~` types a tilde.";

/// A shell to open.
#[derive(Debug, Args)]
#[command(after_help = KEYS)]
pub struct Open {
    /// The endpoint, by name or id
    endpoint: String,
    /// Why; those who approve and those who look later read it
    #[arg(long)]
    reason: String,
    /// As whom; root where absent
    #[arg(long)]
    user: Option<String>,
    /// What runs: login, bash or sh
    #[arg(long, default_value = "login")]
    shell: String,
    /// Where it begins
    #[arg(long)]
    directory: Option<String>,
    /// Minutes without a key press until it ends
    #[arg(long, value_name = "MINUTES")]
    idle_minutes: Option<u32>,
    /// Minutes until it ends
    #[arg(long, value_name = "MINUTES")]
    max_minutes: Option<u32>,
}

/// What to do with shells.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List shells, open ones and past ones
    List,
    /// Come back to a shell that you asked for
    #[command(after_help = KEYS)]
    Attach(One),
    /// Look on while somebody else types; ~. leaves
    Watch(One),
    /// End a shell
    End(One),
    /// Play the recording of a shell
    Replay(Replay),
    /// Look for a text in the recording of a shell
    Search(Search),
}

/// Which shell.
#[derive(Debug, Args)]
pub struct One {
    /// Id of the shell
    id: String,
}

/// How a recording is played.
#[derive(Debug, Args)]
pub struct Replay {
    /// Id of the shell
    id: String,
    /// How many times as fast as it was
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Pauses are no longer than this, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    idle: f64,
    /// Begin at this second
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0)]
    from: f64,
    /// Write the recording (asciicast) to standard output instead
    #[arg(long)]
    raw: bool,
}

/// What is looked for.
#[derive(Debug, Args)]
pub struct Search {
    /// Id of the shell
    id: String,
    /// The text, whatever its case
    text: String,
}

/// Opens a shell and stays in it.
pub async fn open(open: Open, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let mut params = json!({ "shell": open.shell });
    let optional = [
        ("user", open.user.map(Value::from)),
        ("directory", open.directory.map(Value::from)),
        ("idle_minutes", open.idle_minutes.map(Value::from)),
        ("max_minutes", open.max_minutes.map(Value::from)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            params[name] = value;
        }
    }
    let body = json!({ "action": "endpoint.remote_shell", "params": params, "reason": open.reason,
        "targets": { "endpoints": [open.endpoint] } });
    let key = uuid::Uuid::new_v4().to_string();
    let task = client.post("/api/v1/tasks", &body, Some(&key)).await;
    let task = task.map_err(|failure| failure.during("asking for a shell"))?;
    let shell = begun(&client, &field(&task, "/id")).await?;
    typist::run(&client, &shell, true).await
}

/// Waits until the endpoint has the order; answers the shell's id.
async fn begun(client: &Client, task: &str) -> Result<String, Failure> {
    let path = format!("/api/v1/tasks/{}", segment(task));
    let mut told = String::new();
    loop {
        let task = client.get(&path, &[]).await?;
        let command = task.pointer("/commands/items/0").cloned().unwrap_or_default();
        let state = field(&command, "/state");
        match state.as_str() {
            "running" | "dispatched" | "verifying" => return Ok(field(&command, "/id")),
            "pending_approval" | "queued" => {
                if told != state {
                    let waits = if state == "queued" { "its endpoint" } else { "approval" };
                    terminal::remark(&format!(
                        "task {} waits for {waits}",
                        text::visible(&field(&task, "/id"))
                    ));
                    told = state;
                }
            }
            _ => {
                let why = field(&command, "/message");
                let code = field(&command, "/reason_code");
                let state = text::visible(&state).into_owned();
                return Err(Failure::new(format!("no shell: {state} ({code}): {}", text::visible(&why))));
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List => {
            let items = client.list("/api/v1/shells", &[], 1000).await?;
            output::list(context.format, &items, COLUMNS)
        }
        Command::Attach(one) => typist::run(&client, &one.id, true).await,
        Command::Watch(one) => typist::run(&client, &one.id, false).await,
        Command::End(one) => {
            client.post(&format!("/api/v1/shells/{}/end", segment(&one.id)), &Value::Null, None).await?;
            terminal::say(&format!("shell {} is ended", text::visible(&one.id)))
        }
        Command::Replay(wanted) => replay::run(&client, &wanted).await,
        Command::Search(wanted) => {
            let path = format!("/api/v1/shells/{}/search", segment(&wanted.id));
            let found = client.get(&path, &[("text", wanted.text)]).await?;
            let items = found.get("matches").and_then(Value::as_array).cloned().unwrap_or_default();
            output::list(context.format, &items, MATCHES)
        }
    }
}

const MATCHES: &[Column] = &[
    Column { heading: "SECOND", cell: |row| field(row, "/at") },
    Column { heading: "KIND", cell: |row| field(row, "/kind") },
    Column { heading: "TEXT", cell: |row| field(row, "/text") },
];
