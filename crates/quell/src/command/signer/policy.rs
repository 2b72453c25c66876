//! `quell signer policy`: what the signer's operator allows, whatever the server says.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use quell_signer::admin::{self, perform};
use quell_signer::{POLICY_FILE, Policy};
use serde_json::json;

use super::{Directory, ask, told};
use crate::cli::Context;
use crate::failure::Failure;
use crate::output;

/// No policy is longer.
const MOST: u64 = 1 << 20;

/// What to do with the policy, where it is not to be shown.
#[derive(Debug, Subcommand)]
enum Command {
    /// Check a policy, and have the signer follow it from now on
    Set(Source),
    /// Check a policy, and change nothing
    Check(Source),
}

/// A policy.
#[derive(Debug, Args)]
struct Source {
    /// The policy, JSON; `-` reads it from the standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Whose policy.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    directory: Directory,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Does it.
pub fn run(arguments: Arguments, context: &Context) -> Result<(), Failure> {
    let Arguments { directory, command } = arguments;
    match command {
        None => {
            let policy =
                Policy::open(&directory.path.join(POLICY_FILE)).map_err(|error| Failure::of(&error))?;
            output::one(context.format, &json!(policy), |policy| format!("{policy:#}"))
        }
        Some(Command::Check(source)) => {
            let policy = read(&source)?;
            output::one(context.format, &json!(policy), |policy| format!("{policy:#}"))
        }
        Some(Command::Set(source)) => {
            let policy = read(&source)?;
            let path = directory.path.join(POLICY_FILE);
            policy.save(&path).map_err(|error| Failure::of(&error).during("writing the policy"))?;
            // One that is not running reads it when it starts.
            match perform(&directory.path, admin::Command::Reload) {
                Ok(_) | Err(admin::Error::Absent(_)) => {}
                Err(error) => return Err(told(&error)),
            }
            ask(&directory, admin::Command::Status, context)
        }
    }
}

fn read(source: &Source) -> Result<Policy, Failure> {
    let mut bytes = Vec::new();
    let read = if source.file.as_os_str() == "-" {
        std::io::stdin().take(MOST).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(&source.file).and_then(|file| file.take(MOST).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::of(&error).during(&source.file.display().to_string()))?;
    Policy::parse(&bytes).map_err(|error| Failure::of(&error))
}
