//! `quell login`: keeps an address and a key, once the server has taken the key.

use std::io::{BufRead, IsTerminal, Read};
use std::path::PathBuf;

use clap::Args;

use crate::cli::{self, Context};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::terminal;
use crate::profile::{ApiKey, DEFAULT_URL, Profile};

/// Where the key comes from.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Read the key from this file; else it is asked for, or read from standard input
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// Tries the key, and keeps it.
pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let global = context.global();
    let url = global.url.clone().unwrap_or_else(|| DEFAULT_URL.to_owned());
    let ca = global.ca.as_ref().map(std::path::absolute).transpose()?;
    let key = match &arguments.key_file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("reading {}: {error}", path.display())))?,
        None => ask(&url)?,
    };
    let profile = Profile { url, api_key: Some(ApiKey::new(&key)?), ca };
    cli::block_on(async {
        let client = Client::new(&profile)?;
        client.get("/api/v1/actions", &[]).await.map(drop).map_err(|failure| failure.during("trying the key"))
    })?;
    let path = profile.store()?;
    terminal::say(&format!("the key works; kept in {}", path.display()))
}

/// The key as typed, unseen, or as piped.
fn ask(url: &str) -> Result<String, Failure> {
    let input = std::io::stdin();
    let mut key = String::new();
    if input.is_terminal() {
        terminal::remark(&format!("API key for {url} (not shown):"));
        let _unseen = Unseen::begin();
        input.lock().take(1024).read_line(&mut key)?;
    } else {
        input.lock().take(1024).read_to_string(&mut key)?;
    }
    Ok(key)
}

/// The terminal without echo, until dropped.
#[cfg(unix)]
pub(crate) struct Unseen(Option<rustix::termios::Termios>);

#[cfg(unix)]
impl Unseen {
    pub(crate) fn begin() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(mut silent) = before.clone() {
            silent.local_modes.remove(LocalModes::ECHO);
            // Where it cannot be silenced, the key is seen by who typed it.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent);
        }
        Self(before)
    }
}

#[cfg(unix)]
impl Drop for Unseen {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(before) = &self.0 {
            // Nothing more can be done for a terminal that refuses.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

#[cfg(not(unix))]
pub(crate) struct Unseen;

#[cfg(not(unix))]
impl Unseen {
    pub(crate) fn begin() -> Self {
        Self
    }
}
