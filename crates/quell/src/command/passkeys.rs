//! `quell passkeys`: one's own passkeys. They are added in a browser, which alone speaks to authenticators.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Context;
use crate::client::segment;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};

const PATH: &str = "/api/v1/passkeys";

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "ADDED", cell: |row| moment::of(row, "/created_at") },
    Column { heading: "LAST USED", cell: |row| moment::of(row, "/last_used_at") },
];

/// What to do with passkeys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List your passkeys
    List,
    /// Rename one of your passkeys
    Rename(Rename),
    /// Remove one of your passkeys; the sign-in must be younger than five minutes
    Remove(Which),
}

/// A passkey and its new name.
#[derive(Debug, Args)]
pub struct Rename {
    /// Id of the passkey
    id: String,
    /// What to call it
    name: String,
}

/// Which passkey.
#[derive(Debug, Args)]
pub struct Which {
    /// Id of the passkey
    id: String,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List => output::list(context.format, &client.list(PATH, &[], 1000).await?, COLUMNS),
        Command::Rename(Rename { id, name }) => {
            client.patch(&format!("{PATH}/{}", segment(&id)), &json!({ "name": name })).await?;
            terminal::say(&format!("passkey {} is called {}", text::visible(&id), text::visible(&name)))
        }
        Command::Remove(Which { id }) => {
            client.delete(&format!("{PATH}/{}", segment(&id))).await?;
            terminal::say(&format!("passkey {} is removed", text::visible(&id)))
        }
    }
}
