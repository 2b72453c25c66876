//! `quell setup`: the first administrator of a new server.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::Context;
use crate::client::Client;
use crate::command::login;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{prompt, terminal, text};

/// Who the first administrator is.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Their name
    #[arg(long)]
    name: String,
    /// Their e-mail address, with which they sign in
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// What the organisation is called
    #[arg(long)]
    organisation: Option<String>,
    /// Read the set-up code from this file, `setup.code` in the server's data directory; else it is asked for
    #[arg(long, value_name = "FILE")]
    code_file: Option<PathBuf>,
}

/// Sets up, and signs in.
pub async fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let profile = login::empty(context)?;
    let client = Client::new(&profile)?;
    let code = match &arguments.code_file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("reading {}: {error}", path.display())))?,
        None => prompt::secret("Set-up code, from setup.code in the server's data directory")?,
    };
    let password = prompt::new_password()?;
    let Arguments { name, email, organisation, .. } = arguments;
    let body = json!({
        "code": code.trim(), "name": name, "email": email, "organisation": organisation, "password": password,
    });
    let made = client.post_open("/api/v1/setup", &body).await?;
    let body = json!({ "email": email, "password": password, "deliver": "token" });
    let begun = client.post_open("/api/v1/session", &body).await?;
    let path = login::keep(profile, &begun)?;
    terminal::say(&format!(
        "{} is the first administrator of {}, and signed in; kept in {}",
        text::visible(&field(&made, "/person/name")),
        text::visible(&field(&made, "/tenant/name")),
        path.display(),
    ))
}
