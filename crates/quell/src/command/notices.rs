//! `quell notices`: what was told to whom, and what could not be.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::client::segment;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};

const PATH: &str = "/api/v1/notices";

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "AT", cell: |row| moment::of(row, "/created_at") },
    Column { heading: "WHAT", cell: |row| field(row, "/headline") },
    Column { heading: "TO", cell: |row| told(row, "/destination") },
    Column { heading: "STATE", cell: |row| told(row, "/state") },
    Column { heading: "LAST ERROR", cell: |row| told(row, "/last_error") },
];

/// What to do with notices.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List notices, newest first
    List(List),
    /// Try again what of a notice was held back or given up
    Retry(Which),
}

/// Which notices.
#[derive(Debug, Args)]
pub struct List {
    /// Only those of which something was given up
    #[arg(long)]
    dead: bool,
    /// Of this kind: approval_requested, task_failed …
    #[arg(long)]
    kind: Option<String>,
    /// The most rows
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
}

/// Which notice.
#[derive(Debug, Args)]
pub struct Which {
    /// Id of the notice
    id: String,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List(list) => {
            let mut query = Vec::new();
            query.extend(list.dead.then(|| ("state", "dead".to_owned())));
            query.extend(list.kind.map(|kind| ("kind", kind)));
            let items = client.list(PATH, &query, list.limit).await?;
            output::list(context.format, &items, COLUMNS)
        }
        Command::Retry(Which { id }) => {
            client.post(&format!("{PATH}/{}/retry", segment(&id)), &json!({}), None).await?;
            terminal::say(&format!("notice {} is tried again", text::visible(&id)))
        }
    }
}

/// The first of the deliveries, and how many more there are. What failed goes before what arrived.
fn told(row: &Value, path: &str) -> String {
    let deliveries = row["deliveries"].as_array().map_or(&[][..], Vec::as_slice);
    let first = deliveries.iter().find(|one| field(one, "/state") != "sent").or_else(|| deliveries.first());
    let Some(first) = first else { return String::new() };
    match deliveries.len() {
        more @ 2.. if path == "/destination" => format!("{} and {} more", field(first, path), more - 1),
        _ => field(first, path),
    }
}
