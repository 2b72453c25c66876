//! `quell recover`: a new way in, on the server's own machine, where nobody can give one over the network.

use std::path::PathBuf;

use clap::Args;
use quell_server::{Config, recover};

use crate::cli;
use crate::failure::Failure;
use crate::output::terminal;

/// For whom.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The server's data directory
    #[arg(long, value_name = "FOLDER", env = "QUELL_DATA_DIR", default_value = "quell-data")]
    data_dir: PathBuf,
    /// The server's database, where it is not in that directory
    #[arg(long, value_name = "URL", env = "QUELL_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// The e-mail address of the account
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// Take the one-time codes away too
    #[arg(long)]
    totp: bool,
}

/// Does it.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut config = Config::new(&arguments.data_dir);
    config.database.clone_from(&arguments.database);
    cli::block_on(async {
        let text =
            recover(&config, &arguments.email, arguments.totp).await.map_err(|error| Failure::of(&error))?;
        terminal::say(&format!(
            "token   {text}\nquell people redeem sets a new password with it, once, within a day"
        ))
    })
}
