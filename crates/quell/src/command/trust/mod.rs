//! `quell trust`: the tenant's own root of trust, kept away from the server, and approvers' own signatures.
//!
//! All but `publish`, `show --server` and `sign` work without a server; the root key belongs on a machine that is not one.

mod deed;
mod dir;
mod edit;
pub(super) mod keyfile;
mod publish;
mod show;
mod sign;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::Context;
use crate::failure::Failure;

const PATH: &str = "/api/v1/trust";

/// What to do about trust.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a root key and a first, empty bundle
    Init(edit::Init),
    /// Make an approver's key; prints its public part
    ApproverKey(keyfile::New),
    /// Put an approver's key into the keyring
    Add(edit::Add),
    /// Take keys out of the keyring
    Remove(edit::Remove),
    /// Demand signatures for actions, or with --quorum 0 no more
    Require(edit::Require),
    /// Say whose investigation kits run on endpoints that pin this root, or with --remove no more
    KitKey(edit::KitKey),
    /// Make a new root key; the old one names it and is none any more
    RotateRoot(edit::Rotate),
    /// Show the bundle in a directory, or with --server the one that the server hands on
    Show(show::Show),
    /// Bring what was signed to the server, which hands it on to endpoints
    Publish(publish::Publish),
    /// Read what a task would do, and sign for it
    Sign(sign::Sign),
}

/// Where the root key and its bundles are.
#[derive(Debug, Args)]
pub struct Root {
    /// The directory of the root key and its bundles
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Init(init) => init.run(context),
        Command::ApproverKey(new) => new.run(context),
        Command::Add(add) => add.run(context),
        Command::Remove(remove) => remove.run(context),
        Command::Require(require) => require.run(context),
        Command::KitKey(key) => key.run(context),
        Command::RotateRoot(rotate) => rotate.run(context),
        Command::Show(show) => show.run(context).await,
        Command::Publish(publish) => publish.run(context).await,
        Command::Sign(sign) => sign.run(context).await,
    }
}
