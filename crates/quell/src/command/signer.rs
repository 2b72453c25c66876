//! `quell signer`: holds the order key in a process of its own, checks each order again, and signs it.
//!
//! `run` is that process, which `quell server` starts by itself unless it is told of another. All else works on the
//! signer's own machine, over its own socket or on its files, and never through the server.

mod child;
mod log;
mod policy;
mod run;
mod trust;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quell_signer::admin::{self, perform};
use serde_json::Value;

pub use child::of_server;

use crate::cli::Context;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::{self, text};

/// Where the signer keeps its things.
#[derive(Clone, Debug, Args)]
pub struct Directory {
    /// The signer's folder: order key, policy, journal, sockets
    #[arg(
        long = "dir",
        value_name = "FOLDER",
        env = "QUELL_SIGNER_DIR",
        default_value = "quell-data/signer"
    )]
    path: PathBuf,
}

/// What to do with the signer.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the signer; the server does so by itself unless it is told of another (`--signer`)
    Run(run::Arguments),
    /// Show its keys, its policy, and what it did since it was started
    Status(Directory),
    /// Make a new order key the one that signs; agents learn of it, and trust the one before until `retire`
    Rotate(Directory),
    /// End the trust in the order key before
    Retire(Directory),
    /// Show the signer's own policy, or set it
    Policy(policy::Arguments),
    /// Take a tenant's trust bundle, by which approvers' own signatures are checked
    Trust(trust::Arguments),
    /// Show what was signed, or verify that nothing of it was changed or removed
    Log(log::Arguments),
}

/// Does it.
pub fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Run(arguments) => run::run(arguments),
        Command::Status(directory) => ask(&directory, admin::Command::Status, context),
        Command::Rotate(directory) => ask(&directory, admin::Command::Rotate, context),
        Command::Retire(directory) => ask(&directory, admin::Command::Retire, context),
        Command::Policy(arguments) => policy::run(arguments, context),
        Command::Trust(arguments) => trust::run(&arguments, context),
        Command::Log(arguments) => log::run(&arguments, context),
    }
}

fn ask(directory: &Directory, command: admin::Command, context: &Context) -> Result<(), Failure> {
    let status = perform(&directory.path, command).map_err(|error| told(&error))?;
    output::one(context.format, &status, lines)
}

fn told(error: &admin::Error) -> Failure {
    let failure = Failure::of(error).during("asking the signer");
    match error {
        admin::Error::Absent(_) => failure.hint("Name the signer's folder with --dir."),
        _ => failure,
    }
}

fn lines(status: &Value) -> String {
    let state = if status["running"] == true { "running" } else { "not running" };
    let mut lines = vec![format!("signer       {state}, keys version {}", field(status, "/key_set_version"))];
    for key in status["keys"].as_array().into_iter().flatten() {
        lines.push(format!(
            "key          {}  {}  {}",
            field(key, "/id"),
            field(key, "/use"),
            field(key, "/public")
        ));
    }
    if status["running"] == true {
        lines.push(format!(
            "since start  {} signed, {} refused",
            field(status, "/signed"),
            field(status, "/refused")
        ));
    }
    for trust in status["trust"].as_array().into_iter().flatten() {
        lines.push(format!(
            "trust        tenant {}, bundle {}",
            field(trust, "/tenant"),
            field(trust, "/serial")
        ));
    }
    lines.push(format!("policy       {}", text::plain_json(&status["policy"].to_string())));
    lines.join("\n")
}
