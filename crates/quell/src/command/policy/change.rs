//! Small changes of the approval settings: read, changed in one place, written back where nobody else changed them.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{fetch, store_change};
use crate::cli::Context;
use crate::failure::Failure;
use crate::output::table::field;
use crate::output::terminal;

/// Whether the settings approve anything.
#[derive(Debug, Args)]
pub struct Auto {
    /// on or off
    #[arg(value_enum)]
    switch: Switch,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// What is ticked is approved by the settings, and somebody is told
    On,
    /// A person agrees to each request
    Off,
}

/// Which actions.
#[derive(Debug, Args)]
pub struct Actions {
    /// Ids of actions, or `critical` or `recommended` for the whole group
    #[arg(required = true)]
    action: Vec<String>,
}

/// On which endpoints.
#[derive(Debug, Args)]
pub struct Where {
    /// all or selected
    #[arg(value_enum)]
    scope: Scope,
}

/// On which endpoints the settings may approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// On all but those of the list `except`
    All,
    /// On those of the list `only`
    Selected,
}

/// Reads the settings, changes their policy, writes it back.
async fn change(
    context: &Context,
    changed: impl FnOnce(&Value, &mut Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let client = context.client()?;
    let settings = fetch(&client).await?;
    let before = &settings["policy"];
    let mut after = before.clone();
    changed(&settings, &mut after)?;
    store_change(context, &client, (before, &after)).await
}

impl Auto {
    pub(super) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let is_on = self.switch == Switch::On;
        change(context, |_, policy| {
            policy["managed"]["auto_approve"] = json!(is_on);
            Ok(())
        })
        .await
    }
}

impl Where {
    pub(super) async fn run(&self, context: &Context) -> Result<(), Failure> {
        let scope = if self.scope == Scope::Selected { "selected" } else { "all" };
        change(context, |settings, policy| {
            policy["managed"]["scope"] = json!(scope);
            let only = settings["lists"].as_array().into_iter().flatten();
            let is_empty = only.into_iter().any(|size| size["list"] == "only" && size["endpoints"] == 0);
            if scope == "selected" && is_empty {
                terminal::remark("the list `only` is empty: nothing is approved until it is imported");
            }
            Ok(())
        })
        .await
    }
}

impl Actions {
    pub(super) async fn run(&self, context: &Context, is_ticked: bool) -> Result<(), Failure> {
        change(context, |settings, policy| {
            policy["managed"]["actions"] = json!(ticked(settings, &self.action, is_ticked)?);
            if is_ticked && policy["managed"]["auto_approve"] == json!(false) {
                terminal::remark("automatic approval is off: quell policy auto on");
            }
            Ok(())
        })
        .await
    }
}

/// The ticked actions after a change, in the order of the catalogue.
fn ticked(settings: &Value, named: &[String], is_ticked: bool) -> Result<Vec<String>, Failure> {
    let offered = settings["offered"].as_array().map_or(&[][..], Vec::as_slice);
    let is = |offer: &Value, name: &str| field(offer, "/action") == name || field(offer, "/group") == name;
    if let Some(unknown) = named.iter().find(|name| !offered.iter().any(|offer| is(offer, name))) {
        return Err(Failure::new(format!("`{unknown}` is none that settings may approve"))
            .hint("quell policy show lists those that they may"));
    }
    let stays = |offer: &&Value| {
        if named.iter().any(|name| is(offer, name)) { is_ticked } else { offer["is_ticked"] == json!(true) }
    };
    Ok(offered.iter().filter(stays).map(|offer| field(offer, "/action")).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn ticks_are_set_by_action_and_by_group() {
        let offer = |action: &str, group: &str, is_ticked: bool| json!({"action": action, "group": group, "is_ticked": is_ticked});
        let settings = json!({"offered": [
            offer("a.b", "critical", true), offer("c.d", "recommended", false), offer("e.f", "recommended", true),
        ]});
        let after = |names: &[&str], is_ticked| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            ticked(&settings, &names, is_ticked)
        };
        assert_eq!(after(&["c.d"], true).unwrap(), ["a.b", "c.d", "e.f"]);
        assert_eq!(after(&["recommended"], false).unwrap(), ["a.b"]);
        assert_eq!(after(&["a.b", "e.f"], false).unwrap(), [""; 0]);
        assert!(after(&["c.d", "g.h"], true).unwrap_err().message.contains("`g.h`"));
    }
}
