//! `quell keys`: API keys of people and programs.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::Context;
use crate::client::segment;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "ROLE", cell: |row| field(row, "/role") },
    Column { heading: "BEGINS", cell: |row| field(row, "/prefix") },
    Column { heading: "LAST USED", cell: |row| moment::of(row, "/last_used_at") },
    Column { heading: "EXPIRES", cell: |row| moment::of(row, "/expires_at") },
    Column { heading: "REVOKED", cell: |row| moment::of(row, "/revoked_at") },
];

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List keys, without their text
    List,
    /// Make a key; it is shown this once
    Create(Create),
    /// Revoke a key
    Revoke(Revoke),
}

/// A key to make.
#[derive(Debug, Args)]
pub struct Create {
    /// What people call it
    name: String,
    /// administrator, security_officer, analyst, operations, approver, auditor, or a role of your own by name or id
    #[arg(long)]
    role: String,
    /// When it ends, in days
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    expires_in_days: u32,
}

/// A key to revoke.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Id of the key
    id: String,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List => {
            let items = client.list("/api/v1/api-keys", &[], 1000).await?;
            output::list(context.format, &items, COLUMNS)
        }
        Command::Create(create) => {
            let body =
                json!({"name": create.name, "role": create.role, "expires_in_days": create.expires_in_days});
            let made = client.post("/api/v1/api-keys", &body, None).await;
            let made = made.map_err(|failure| failure.during("making a key"))?;
            output::one(context.format, &made, |made| text::visible(&field(made, "/text")).into_owned())
        }
        Command::Revoke(revoke) => {
            client.delete(&format!("/api/v1/api-keys/{}", segment(&revoke.id))).await?;
            terminal::say(&format!("key {} is revoked", text::visible(&revoke.id)))
        }
    }
}
