//! `quell protection`: what is recorded, detected and prevented on endpoints.

mod change;
mod exclude;
mod page;
mod rules;

use clap::Subcommand;
use serde_json::Value;

use self::change::{Change, Set};
use super::policy::edit::Draft;
use crate::cli::Context;
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{self, Format, terminal};

const PATH: &str = "/api/v1/protection";
const PREVIEW: &str = "/api/v1/protection/preview";
const RULES: &str = "/api/v1/protection/rules";
/// No settings are larger, bytes.
const MOST: u64 = 4 << 20;

/// What to do with the protection.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what is set, and where it holds
    Show,
    /// Change some of it, or replace it by a file made of `quell protection show --output json`
    Set(Set),
    /// Change it in your editor ($VISUAL, $EDITOR)
    Edit,
    /// Show what is not looked at, add to it, or take from it
    Exclude(exclude::Exclude),
    /// List the rules, and what is done about hits of each
    Rules(rules::Rules),
    /// Show what a change would do, and change nothing
    Preview(Change),
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Result<(), Failure> {
    match command {
        Command::Show => show(context, &context.client()?.get(PATH, &[]).await?),
        Command::Set(set) => set.run(context).await,
        Command::Edit => edit(context).await,
        Command::Exclude(exclude) => exclude.run(context).await,
        Command::Rules(rules) => rules.run(context).await,
        Command::Preview(change) => {
            let client = context.client()?;
            let settings = client.get(PATH, &[]).await?["settings"].clone();
            let wanted = change.applied(settings)?;
            let preview = client.post(PREVIEW, &wanted, None).await?;
            output::one(context.format, &preview, page::preview)
        }
    }
}

fn show(context: &Context, protection: &Value) -> Result<(), Failure> {
    output::one(context.format, protection, |shown| page::page(shown, terminal::coloured()))
}

/// Changes the settings where they still are what was read. What would begin to be prevented is asked about first.
async fn change(
    context: &Context,
    is_agreed: bool,
    changed: impl FnOnce(Value) -> Result<Value, Failure>,
) -> Result<(), Failure> {
    let client = context.client()?;
    let (before, seen) = client.get_tagged(PATH).await?;
    let after = changed(before["settings"].clone())?;
    if !is_agreed {
        agree(&client, &after).await?;
    }
    let stored = client.put_seen(PATH, seen, &after).await;
    let stored = stored.map_err(|failure| failure.during("changing what is protected"))?;
    if stored["version"] == before["version"] {
        terminal::remark("nothing was changed");
    } else if stored["published"] == Value::Bool(false) {
        terminal::remark("stored, but not published yet: agents keep what they have until it is");
    }
    show(context, &stored)
}

/// Whether it is meant that hits are prevented from now on.
async fn agree(client: &Client, after: &Value) -> Result<(), Failure> {
    let preview = client.post(PREVIEW, after, None).await?;
    if preview["would_prevent"].as_array().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    terminal::complain(&page::prevented(&preview))?;
    match terminal::says_yes("Prevent them?")? {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new("nothing was changed")),
        None => Err(Failure::new("this would begin to prevent; nothing was changed").hint("give --yes")),
    }
}

/// Edits until it is stored, or the person gives up.
async fn edit(context: &Context) -> Result<(), Failure> {
    let client = context.client()?;
    let before = client.get(PATH, &[]).await?["settings"].clone();
    let draft = Draft::new("protection", &before)?;
    loop {
        let tried = match draft.edited(MOST).and_then(|text| change::read(&text)) {
            Ok(after) if after == before => {
                draft.remove();
                return terminal::say("nothing was changed");
            }
            Ok(after) => {
                let is_same = |now: Value| {
                    let refused =
                        || Failure::new("somebody else changed the protection meanwhile; nothing was done");
                    if now == before { Ok(after) } else { Err(refused()) }
                };
                change(context, false, is_same).await
            }
            Err(failure) => Err(failure),
        };
        let Err(failure) = tried else {
            draft.remove();
            return Ok(());
        };
        // Shown now, since the editor comes between; the last one is shown by whoever called.
        if let Some(text) = failure.render(Format::Table) {
            terminal::complain(&text)?;
        }
        if terminal::says_yes("Edit it once more?")? != Some(true) {
            return Err(Failure::new("what is protected is as it was")
                .hint(format!("what you wrote is in {}: quell protection set takes it", draft.0.display())));
        }
    }
}
