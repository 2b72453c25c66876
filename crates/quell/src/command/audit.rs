//! `quell audit`: who did what, and when; and the proof of it.

mod checkpoints;
mod verify;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::Context;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment};

const COLUMNS: &[Column] = &[
    Column { heading: "AT", cell: |row| moment::of(row, "/at") },
    Column { heading: "ACTOR", cell: |row| actor(row) },
    Column { heading: "VERB", cell: |row| field(row, "/verb") },
    Column {
        heading: "OBJECT",
        cell: |row| format!("{} {}", field(row, "/object_kind"), field(row, "/object_id")),
    },
    Column { heading: "OUTCOME", cell: |row| field(row, "/outcome") },
];

/// The name at that time; an endpoint has only its id.
fn actor(row: &Value) -> String {
    let name = field(row, "/actor_name");
    format!("{} {}", field(row, "/actor_kind"), if name.is_empty() { field(row, "/actor_id") } else { name })
}

/// What to do with the trail, where it is not to be listed.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Verify the trail in the database itself: that no record was changed, removed or slipped in
    Verify(verify::Arguments),
    /// List the checkpoints under which the records stand; keep one elsewhere for `verify --kept`
    Checkpoints(checkpoints::Arguments),
}

/// Which records.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// About the object of this id
    #[arg(long, value_name = "ID")]
    pub object: Option<String>,
    /// By the actor of this id
    #[arg(long, value_name = "ID")]
    pub actor: Option<String>,
    /// Of this verb, for example `task.submit`
    #[arg(long)]
    pub verb: Option<String>,
    /// Not before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// At most so many, newest first
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

/// Shows them.
pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    match &arguments.command {
        Some(Command::Verify(arguments)) => return verify::run(arguments, context.format).await,
        Some(Command::Checkpoints(arguments)) => return checkpoints::run(arguments, context).await,
        None => {}
    }
    let filters = [
        ("object", &arguments.object),
        ("actor", &arguments.actor),
        ("verb", &arguments.verb),
        ("since", &arguments.since),
        ("until", &arguments.until),
    ];
    let query: Vec<(&str, String)> =
        filters.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    let items = context.client()?.list("/api/v1/audit", &query, arguments.limit).await?;
    output::list(context.format, &items, COLUMNS)
}
