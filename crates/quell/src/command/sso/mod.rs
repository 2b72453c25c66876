//! `quell sso`: identity providers at which the organisation's people sign in, and signing in through one.

mod login;
mod wanted;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::Context;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::table::{Column, field};
use crate::output::{self, moment, terminal, text};

pub use login::{DEFAULT_TENANT, Login};
use wanted::{Add, Change};

const PATH: &str = "/api/v1/sso/providers";

const COLUMNS: &[Column] = &[
    Column { heading: "NAME", cell: |row| field(row, "/name") },
    Column { heading: "ISSUER", cell: |row| field(row, "/issuer") },
    Column { heading: "STATE", cell: |row| field(row, "/state") },
    Column { heading: "GROUPS", cell: groups },
    Column { heading: "MAKES ACCOUNTS", cell: |row| field(row, "/make_accounts") },
    Column { heading: "CHANGED", cell: |row| moment::of(row, "/updated_at") },
];

/// What to do with identity providers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List identity providers, without their clients' secrets
    List,
    /// Add an identity provider (OpenID Connect)
    Add(Add),
    /// Change an identity provider; what is not named stays
    Change(Change),
    /// Remove an identity provider, with the roles that its groups gave
    Remove(Which),
    /// Sign in through an identity provider, in the browser
    Login(Login),
}

/// Which provider.
#[derive(Debug, Args)]
pub struct Which {
    /// Name of the provider
    name: String,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    if let Command::Login(login) = command {
        return login.run(context).await;
    }
    let client = context.client()?;
    match command {
        Command::List | Command::Login(_) => {
            output::list(context.format, &client.list(PATH, &[], 1000).await?, COLUMNS)
        }
        Command::Add(add) => {
            let made = client.post(PATH, &add.body()?, None).await;
            output::one(
                context.format,
                &made.map_err(|failure| failure.during("adding an identity provider"))?,
                addresses,
            )
        }
        Command::Change(change) => {
            let before = named(&client, &change.name).await?;
            let path = format!("{PATH}/{}", segment(&field(&before, "/id")));
            output::list(context.format, &[client.put(&path, &change.over(&before)?).await?], COLUMNS)
        }
        Command::Remove(Which { name }) => {
            let before = named(&client, &name).await?;
            client.delete(&format!("{PATH}/{}", segment(&field(&before, "/id")))).await?;
            terminal::say(&format!("identity provider {} is removed", text::visible(&name)))
        }
    }
}

async fn named(client: &Client, name: &str) -> Result<Value, Failure> {
    let mut all = client.list(PATH, &[], 1000).await?;
    let at = all.iter().position(|row| field(row, "/name") == name || field(row, "/id") == name);
    let at = at.ok_or_else(|| {
        Failure::new(format!("there is no identity provider {}", text::visible(name)))
            .hint("quell sso list shows those that there are")
    })?;
    Ok(all.swap_remove(at))
}

fn groups(row: &Value) -> String {
    let pairs = row["mapping"].as_array().into_iter().flatten();
    pairs
        .map(|pair| format!("{}={}", field(pair, "/group"), field(pair, "/role")))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What the provider must be told, and what people are told.
fn addresses(made: &Value) -> String {
    let line = |path: &str| text::visible(&field(made, path)).into_owned();
    format!(
        "provider      {}\nredirect URI  {}\nsign in at    {}",
        line("/name"),
        line("/redirect_uri"),
        line("/start_url")
    )
}
