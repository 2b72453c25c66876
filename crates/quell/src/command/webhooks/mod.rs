//! `quell webhooks`: systems that are told of notices.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::mail;
use crate::cli::Context;
use crate::client::segment;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};

const PATH: &str = "/api/v1/webhooks";

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "URL", cell: |row| field(row, "/url") },
    Column { heading: "STATE", cell: |row| field(row, "/state") },
    Column { heading: "TOLD OF", cell: kinds },
    Column { heading: "CHANGED", cell: |row| moment::of(row, "/updated_at") },
];

/// What to do with webhooks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List webhooks, without their secrets
    List,
    /// Tell a system of notices; the secret that it verifies posts with is shown this once
    Add(Add),
    /// Change a webhook; what is not named stays
    Change(Change),
    /// Remove a webhook
    Remove(Which),
    /// Give a webhook a new secret; for a day both are good
    Rotate(Which),
    /// Post something to see whether it arrives
    Test(Which),
}

/// A webhook to make.
#[derive(Debug, Args)]
pub struct Add {
    /// What people call it
    name: String,
    /// Where posts go, https
    #[arg(value_name = "URL")]
    to: String,
    /// A kind of notice that it wants (several times for several); everything where never named
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
}

/// A webhook as it is to be.
#[derive(Debug, Args)]
pub struct Change {
    /// Id of the webhook
    id: String,
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    /// Where posts go, https (not the server's own address, which --url names)
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// A kind of notice that it wants (several times for several)
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Tell it nothing
    #[arg(long, conflicts_with = "on")]
    off: bool,
    /// Tell it again
    #[arg(long)]
    on: bool,
}

/// Which webhook.
#[derive(Debug, Args)]
pub struct Which {
    /// Id of the webhook
    id: String,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let path = |id: &str, rest: &str| format!("{PATH}/{}{rest}", segment(id));
    match command {
        Command::List => output::list(context.format, &client.list(PATH, &[], 1000).await?, COLUMNS),
        Command::Add(add) => {
            let body = json!({ "name": add.name, "url": add.to, "kinds": add.kind });
            let made =
                client.post(PATH, &body, None).await.map_err(|failure| failure.during("making a webhook"))?;
            output::one(context.format, &made, secret)
        }
        Command::Change(change) => {
            let hooks = client.list(PATH, &[], 1000).await?;
            let before = hooks.iter().find(|hook| field(hook, "/id") == change.id);
            let before = before.ok_or_else(|| Failure::new("there is no such webhook"))?;
            let changed = client.put(&path(&change.id, ""), &change.over(before)).await?;
            output::list(context.format, &[changed], COLUMNS)
        }
        Command::Remove(Which { id }) => {
            client.delete(&path(&id, "")).await?;
            terminal::say(&format!("webhook {} is removed", text::visible(&id)))
        }
        Command::Rotate(Which { id }) => {
            output::one(context.format, &client.post(&path(&id, "/rotate"), &json!({}), None).await?, secret)
        }
        Command::Test(Which { id }) => {
            mail::tried(context, &client.post(&path(&id, "/test"), &json!({}), None).await?)
        }
    }
}

impl Change {
    fn over(&self, before: &Value) -> Value {
        let kinds = if self.kind.is_empty() { before["kinds"].clone() } else { json!(self.kind) };
        let is_active = self.on || field(before, "/state") == "active" && !self.off;
        json!({
            "name": self.name.clone().unwrap_or_else(|| field(before, "/name")),
            "url": self.to.clone().unwrap_or_else(|| field(before, "/url")),
            "kinds": kinds,
            "active": is_active,
        })
    }
}

fn kinds(row: &Value) -> String {
    let kinds: Vec<&str> = row["kinds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if kinds.is_empty() { "everything".to_owned() } else { kinds.join(" ") }
}

fn secret(made: &Value) -> String {
    let text = |path: &str| text::visible(&field(made, path)).into_owned();
    format!("webhook {}\nsecret  {}", text("/id"), text("/secret"))
}
