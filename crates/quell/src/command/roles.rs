//! `quell roles`: what people and programs can be here.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, terminal, text};

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "PERMISSIONS", cell: |row| listed(row, "/grants/permissions", "none") },
    Column { heading: "ACTIONS", cell: |row| listed(row, "/grants/actions", "none") },
    Column { heading: "TAGS", cell: |row| listed(row, "/grants/tags", "every endpoint") },
    Column { heading: "FOR", cell: |row| field(row, "/description") },
];

fn listed(row: &Value, pointer: &str, nothing: &str) -> String {
    match row.pointer(pointer).and_then(Value::as_array) {
        Some(list) if !list.is_empty() => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => nothing.to_owned(),
    }
}

/// What to do with roles.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List roles: those that come with Quell, then the tenant's own
    List,
    /// List what roles are made of
    Permissions,
    /// Make a role
    Add(Grants),
    /// Change a role; whoever has it has at once what it grants now
    Change(Change),
    /// Remove a role that nobody has
    Remove(One),
}

/// What a role grants.
#[derive(Debug, Args)]
pub struct Grants {
    /// Its name
    name: String,
    /// What it is for
    #[arg(long, default_value = "")]
    description: String,
    /// A permission, for example `task.read`; `*` for all (several times for several)
    #[arg(long, value_name = "NAME")]
    permission: Vec<String>,
    /// An action, `group.*`, or `*` (several times for several); every action where absent
    #[arg(long, value_name = "ID")]
    action: Vec<String>,
    /// Only endpoints with this tag (several times for any of several); every endpoint where absent
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Its members are an outside team, whose requests the managed-services settings decide about
    #[arg(long)]
    outside: bool,
}

/// A role, and what it is to grant.
#[derive(Debug, Args)]
pub struct Change {
    /// Id or name of the role
    role: String,
    #[command(flatten)]
    grants: Grants,
}

/// One role.
#[derive(Debug, Args)]
pub struct One {
    /// Id or name of the role
    role: String,
}

impl Grants {
    fn body(self) -> Value {
        let Self { name, description, permission, action, tag, outside } = self;
        let mut grants = json!({ "permissions": permission, "outside": outside });
        if !action.is_empty() {
            grants["actions"] = json!(action);
        }
        if !tag.is_empty() {
            grants["tags"] = json!(tag);
        }
        json!({ "name": name, "description": description, "grants": grants })
    }
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List => {
            let items = client.list("/api/v1/roles", &[], 1000).await?;
            output::list(context.format, &items, COLUMNS)
        }
        Command::Permissions => {
            let listed = client.get("/api/v1/permissions", &[]).await?;
            let items = listed.pointer("/items").and_then(Value::as_array).cloned().unwrap_or_default();
            let columns = &[
                Column { heading: "NAME", cell: |row| field(row, "/name") },
                Column { heading: "ONLY PEOPLE", cell: |row| row["only_people"].to_string() },
            ];
            output::list(context.format, &items, columns)
        }
        Command::Add(grants) => {
            let made = client.post("/api/v1/roles", &grants.body(), None).await?;
            output::list(context.format, &[made], COLUMNS)
        }
        Command::Change(Change { role, grants }) => {
            let changed = client.put(&path(&client, &role).await?, &grants.body()).await?;
            output::list(context.format, &[changed], COLUMNS)
        }
        Command::Remove(One { role }) => {
            client.delete(&path(&client, &role).await?).await?;
            terminal::say(&format!("role {} is removed", text::visible(&role)))
        }
    }
}

async fn path(client: &Client, role: &str) -> Result<String, Failure> {
    let roles = client.list("/api/v1/roles", &[], 1000).await?;
    let found = roles.iter().find(|row| field(row, "/id") == role || field(row, "/name") == role);
    let id = found.map(|row| field(row, "/id")).ok_or_else(|| {
        Failure::new(format!("there is no role {}", text::visible(role))).hint("quell roles list")
    })?;
    Ok(format!("/api/v1/roles/{}", segment(&id)))
}
