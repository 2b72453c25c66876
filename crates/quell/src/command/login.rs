//! `quell login` and `quell logout`: keeps an address and who asks there, a key or a session, once the server has taken it.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::{self, Context};
use crate::client::Client;
use crate::command::sso::{DEFAULT_TENANT, Login};
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{prompt, terminal, text};
use crate::profile::{ApiKey, DEFAULT_URL, Profile};

/// Who signs in, and how.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Read an API key from this file; else it is asked for, or read from standard input
    #[arg(long, value_name = "FILE", conflicts_with = "email")]
    pub key_file: Option<PathBuf>,
    /// Sign in as the person with this address; the password is asked for, or is the first line of standard input
    #[arg(long, value_name = "ADDRESS", group = "person")]
    pub email: Option<String>,
    /// Sign in through this identity provider, in the browser
    #[arg(long, value_name = "PROVIDER", group = "person", conflicts_with = "key_file")]
    pub sso: Option<String>,
    /// Ask for a one-time code as well; the next line of standard input
    #[arg(long, requires = "email")]
    pub totp: bool,
    /// Ask for a recovery code in place of a one-time code
    #[arg(long, requires = "email", conflicts_with = "totp")]
    pub recovery: bool,
    /// In the tenant of this id, where you are a member of several; with --sso: whose provider it is, also by name
    #[arg(long, requires = "person", value_name = "ID")]
    pub tenant: Option<String>,
}

/// Tries it, and keeps it.
pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let mut profile = empty(context)?;
    if let Some(email) = &arguments.email {
        return cli::block_on(sign_in(email, arguments, profile));
    }
    if let Some(provider) = &arguments.sso {
        let tenant = arguments.tenant.clone().unwrap_or_else(|| DEFAULT_TENANT.to_owned());
        return cli::block_on(Login { provider: provider.clone(), tenant }.run_at(profile));
    }
    let key = match &arguments.key_file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("reading {}: {error}", path.display())))?,
        None => prompt::secret(&format!("API key for {}", profile.url))?,
    };
    profile.api_key = Some(ApiKey::new(&key)?);
    cli::block_on(async {
        let client = Client::new(&profile)?;
        client.get("/api/v1/me", &[]).await.map(drop).map_err(|failure| failure.during("trying the key"))
    })?;
    let path = profile.store()?;
    terminal::say(&format!("the key works; kept in {}", path.display()))
}

/// The server that the flags name, with nobody who asks.
pub fn empty(context: &Context) -> Result<Profile, Failure> {
    let global = context.global();
    let url = global.url.clone().unwrap_or_else(|| DEFAULT_URL.to_owned());
    let ca = global.ca.as_ref().map(std::path::absolute).transpose()?;
    Ok(Profile { url, api_key: None, ca })
}

async fn sign_in(email: &str, arguments: &Arguments, profile: Profile) -> Result<(), Failure> {
    let mut body = json!({ "email": email, "deliver": "token", "tenant": arguments.tenant });
    body["password"] = Value::from(prompt::secret(&format!("Password of {}", text::visible(email)))?);
    if arguments.totp {
        body["totp"] = Value::from(prompt::secret("One-time code")?);
    }
    if arguments.recovery {
        body["recovery"] = Value::from(prompt::secret("Recovery code")?);
    }
    let client = Client::new(&profile)?;
    let begun = client.post_open("/api/v1/session", &body).await?;
    let path = keep(profile, &begun)?;
    terminal::say(&format!(
        "{} is signed in to {} until {}; kept in {}",
        text::visible(&field(&begun, "/person/name")),
        text::visible(&field(&begun, "/tenant/name")),
        crate::output::moment::of(&begun, "/expires_at"),
        path.display(),
    ))
}

/// Keeps the token of a session that began.
pub fn keep(profile: Profile, begun: &Value) -> Result<PathBuf, Failure> {
    let token = ApiKey::new(&field(begun, "/token"))?;
    Profile { api_key: Some(token), ..profile }.store()
}

/// Ends the session, and forgets it. A key is forgotten, and stays good.
pub async fn out(context: &Context) -> Result<(), Failure> {
    let profile = context.profile()?;
    let is_session = profile.api_key.as_ref().is_some_and(|key| key.reveal().starts_with("qs_"));
    if is_session {
        Client::new(&profile)?.delete("/api/v1/session").await?;
    }
    let path = Profile { api_key: None, ..profile }.store()?;
    let what = if is_session { "the session is ended" } else { "the key stays good" };
    terminal::say(&format!("{what}; {} holds neither any more", path.display()))
}
