//! `quell policy`: the approval settings of the tenant.

mod change;
pub(super) mod edit;
mod lists;
mod page;
mod set;

use clap::Subcommand;
use serde_json::Value;

use crate::cli::Context;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{self, terminal};

const PATH: &str = "/api/v1/approval-policy";

/// What to do with the approval settings.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the settings
    Show,
    /// Change the settings in your editor ($VISUAL, $EDITOR)
    Edit,
    /// Replace the settings by a file, for example one made of `quell policy show --output json`
    Set(set::Set),
    /// Approve what is ticked by the settings themselves (on), or ask a person each time (off)
    Auto(change::Auto),
    /// Tick actions that the settings may approve
    Tick(change::Actions),
    /// Untick actions that the settings may approve
    Untick(change::Actions),
    /// Where the settings may approve: everywhere but on the list `except` (all), or on the list `only` (selected)
    Scope(change::Where),
    /// The lists of endpoints that the settings name
    #[command(subcommand)]
    List(lists::Command),
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Show => show(context, &fetch(&context.client()?).await?),
        Command::Edit => edit::run(context).await,
        Command::Set(set) => set.run(context).await,
        Command::Auto(auto) => auto.run(context).await,
        Command::Tick(actions) => actions.run(context, true).await,
        Command::Untick(actions) => actions.run(context, false).await,
        Command::Scope(scope) => scope.run(context).await,
        Command::List(command) => lists::run(command, context).await,
    }
}

/// The settings as they are.
async fn fetch(client: &Client) -> Result<Value, Failure> {
    client.get(PATH, &[]).await
}

/// Replaces the policy; shows what is set then.
async fn store(context: &Context, client: &Client, policy: &Value) -> Result<(), Failure> {
    let settings = client.put(PATH, policy).await;
    let settings = settings.map_err(|failure| failure.during("changing the approval settings"))?;
    show(context, &settings)
}

/// Replaces the policy where it still is what was changed.
async fn store_change(
    context: &Context,
    client: &Client,
    (before, after): (&Value, &Value),
) -> Result<(), Failure> {
    if fetch(client).await?["policy"] != *before {
        return Err(Failure::new("somebody else changed the approval settings meanwhile; nothing was done")
            .hint("quell policy show, then try again"));
    }
    store(context, client, after).await
}

fn show(context: &Context, settings: &Value) -> Result<(), Failure> {
    output::one(context.format, settings, |settings| page::page(settings, terminal::coloured()))
}
