//! Where an action is to happen: endpoints by name or id, by tag, or all.

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use quell_catalog::ActionKind;
use serde_json::{Value, json};

const HEADING: &str = "Targets";

/// Which endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// These, by id or unique name.
    Endpoints(Vec<String>),
    /// Those with any of these tags.
    Tags(Vec<String>),
    /// Every active endpoint of the tenant.
    All,
    /// The service that the action is for.
    Service(&'static str),
}

/// The flags that name them.
fn args() -> Vec<Arg> {
    let list = |id: &'static str| {
        Arg::new(id).long(id).action(ArgAction::Append).num_args(1..).help_heading(HEADING)
    };
    vec![
        list("endpoint").short('e').value_name("NAME|ID").help("Endpoints by name or id"),
        list("tag").value_name("TAG").help("All endpoints with one of these tags"),
        Arg::new("all")
            .long("all")
            .action(ArgAction::SetTrue)
            .help_heading(HEADING)
            .help("Every endpoint; needs --confirm-count"),
    ]
}

/// The command with the flags that its action needs.
pub fn augment(action: ActionKind, command: Command) -> Command {
    if action.spec().service().is_some() { command } else { command.args(args()).group(group()) }
}

/// Exactly one of these ways.
fn group() -> ArgGroup {
    ArgGroup::new("targets").args(["endpoint", "tag", "all"]).required(true)
}

impl Targets {
    /// What the flags say, of an action for endpoints; an action for a service has none.
    pub fn read(action: ActionKind, matches: &ArgMatches) -> Self {
        if let Some(name) = action.spec().service() {
            return Self::Service(name);
        }
        let many = |id: &str| matches.get_many::<String>(id).map(|values| values.cloned().collect());
        if matches.get_flag("all") {
            return Self::All;
        }
        match many("tag") {
            Some(tags) => Self::Tags(tags),
            None => Self::Endpoints(many("endpoint").unwrap_or_default()),
        }
    }

    /// As the API takes it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Endpoints(names) => json!({"endpoints": names}),
            Self::Tags(tags) => json!({"tags": tags}),
            Self::All => json!({"all": true}),
            Self::Service(_) => json!({}),
        }
    }

    /// For a sentence.
    pub fn words(&self) -> String {
        match self {
            Self::Endpoints(names) if names.len() <= 3 => names.join(", "),
            Self::Endpoints(names) => format!("{} endpoints", names.len()),
            Self::Tags(tags) => format!("endpoints tagged {}", tags.join(", ")),
            Self::All => "all endpoints".to_owned(),
            Self::Service(name) => format!("the service {name}"),
        }
    }
}
