//! `quell tenants`: the organisations on this server.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::client::Client;
use crate::command::login;
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};

const COLUMNS: &[Column] = &[
    Column { heading: "ID", cell: |row| field(row, "/id") },
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column {
        heading: "CURRENT",
        cell: |row| if row["current"] == Value::Bool(true) { "yes".to_owned() } else { String::new() },
    },
    Column { heading: "MADE", cell: |row| moment::of(row, "/created_at") },
];

/// What to do with tenants.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the tenants that you are a member of
    List(List),
    /// Make a tenant, with an invitation for its first administrator
    Add(Add),
    /// Go on in another tenant; the session changes with it
    Switch(Switch),
}

/// Which tenants.
#[derive(Debug, Args)]
pub struct List {
    /// All on the server, for administrators of its first tenant
    #[arg(long)]
    all: bool,
}

/// A tenant to make.
#[derive(Debug, Args)]
pub struct Add {
    /// Its name
    name: String,
    /// The name of its first administrator
    #[arg(long, value_name = "NAME")]
    administrator: String,
    /// The administrator's e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: String,
}

/// Where to go on.
#[derive(Debug, Args)]
pub struct Switch {
    /// Id or name of the tenant
    tenant: String,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    match command {
        Command::List(List { all }) => {
            let items = tenants(&client, all).await?;
            output::list(context.format, &items, COLUMNS)
        }
        Command::Add(Add { name, administrator, email }) => {
            let body = json!({ "name": name, "administrator": { "name": administrator, "email": email } });
            let made = client.post("/api/v1/tenants", &body, None).await?;
            output::one(context.format, &made, |made| {
                let lines = [
                    format!("{}  {}", field(made, "/name"), field(made, "/id")),
                    format!("token   {}", field(made, "/ticket/token")),
                    format!("link    {}", field(made, "/ticket/link")),
                    format!("until   {}", moment::of(made, "/ticket/expires_at")),
                    "shown this once: hand it on to its administrator".to_owned(),
                ];
                lines.iter().map(|line| text::visible(line).into_owned()).collect::<Vec<_>>().join("\n")
            })
        }
        Command::Switch(Switch { tenant }) => {
            if std::env::var_os("QUELL_API_KEY").is_some_and(|key| !key.is_empty()) {
                return Err(Failure::new("QUELL_API_KEY says who asks, and cannot be changed from here")
                    .hint("unset it, and quell login --email …"));
            }
            let found = tenants(&client, false).await?;
            let found = found.iter().find(|row| field(row, "/id") == tenant || field(row, "/name") == tenant);
            let id = found.map(|row| field(row, "/id")).ok_or_else(|| {
                Failure::new(format!("you are not a member of {}", text::visible(&tenant)))
                    .hint("quell tenants list")
            })?;
            let begun = client.post("/api/v1/session/tenant", &json!({ "tenant": id }), None).await?;
            login::keep(context.profile()?, &begun)?;
            terminal::say(&format!(
                "requests are about {} now",
                text::visible(&field(&begun, "/tenant/name"))
            ))
        }
    }
}

async fn tenants(client: &Client, all: bool) -> Result<Vec<Value>, Failure> {
    let query: &[(&str, String)] = if all { &[("all", "true".to_owned())] } else { &[] };
    let listed = client.get("/api/v1/tenants", query).await?;
    Ok(listed.pointer("/items").and_then(Value::as_array).cloned().unwrap_or_default())
}
