//! `quell incidents export`: an incident as a file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;

use super::path;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{terminal, text};

/// The largest file that is taken.
const LARGEST: usize = 256 << 20;

/// In which form.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Form {
    /// All that is known.
    Json,
    /// A bundle of STIX 2.1.
    Stix,
    /// A page to read and print.
    Html,
}

/// What is written out.
#[derive(Debug, Args)]
pub struct Export {
    /// Number or id of the incident
    incident: String,
    /// In which form
    #[arg(long, value_enum, default_value = "json")]
    form: Form,
    /// Where to; standard output where absent
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

impl Export {
    /// Does it.
    pub async fn run(&self, client: &Client) -> Result<(), Failure> {
        let form = match self.form {
            Form::Json => "json",
            Form::Stix => "stix",
            Form::Html => "html",
        };
        let address = path(&self.incident, &format!("/export?format={form}"));
        let mut pieces = client.open(&address, &[]).await?.pieces();
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            bytes.extend(piece?);
            if bytes.len() > LARGEST {
                return Err(Failure::new("the server sends more than any incident is"));
            }
        }
        let Some(file) = &self.file else {
            let mut out = std::io::stdout();
            return out.write_all(&bytes).and_then(|()| out.flush()).map_err(|error| Failure::of(&error));
        };
        let mut options = OpenOptions::new();
        options.write(true).create(true).create_new(!self.force).truncate(true);
        let written = options.open(file).and_then(|mut file| file.write_all(&bytes));
        written.map_err(|error| {
            let failure = Failure::new(format!("writing {}: {error}", file.display()));
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                failure.hint("--force writes over it")
            } else {
                failure
            }
        })?;
        terminal::remark(&format!("written to {}", text::visible(&file.display().to_string())));
        Ok(())
    }
}
