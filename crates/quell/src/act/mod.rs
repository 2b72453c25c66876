//! `quell act <group> <verb>`: a request of an action. Subcommands and flags are generated from the catalogue, so
//! that a new action needs nothing here.

mod flags;
mod kind;
mod submit;
mod targets;

use clap::{Arg, ArgAction, ArgMatches, Command};
use quell_catalog::{ActionKind, Effect, Risk};
use serde_json::{Map, Value};
use std::time::Duration;

pub use crate::act::targets::Targets;
use crate::client::confirm::Source;
use crate::duration;
use crate::failure::Failure;

/// How long `--wait` waits where nothing else is said.
pub const WAIT: &str = "15m";

/// A request as it was typed.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is to be done.
    pub action: ActionKind,
    /// Its parameters, as far as they were given.
    pub params: Map<String, Value>,
    /// Where.
    pub targets: Targets,
    /// Why.
    pub reason: String,
    /// No agent begins it after this time.
    pub expires_in: Option<Duration>,
    /// It is undone by itself after this time.
    pub revert_after: Option<Duration>,
    /// How many targets the requester believes that there are.
    pub confirm_count: Option<u64>,
    /// Makes a repeated request the same request.
    pub idempotency_key: Option<String>,
    /// Wait for the end, at most so long.
    pub wait: Option<Duration>,
    /// Where the person's own confirmation comes from, where the act needs one.
    pub confirmation: Source,
}

impl clap::Subcommand for Request {
    fn augment_subcommands(command: Command) -> Command {
        let mut groups: Vec<&str> = ActionKind::ALL.iter().map(|action| action.spec().group()).collect();
        groups.sort_unstable();
        groups.dedup();
        groups.into_iter().fold(command.subcommand_required(true), |command, group| {
            command.subcommand(group_command(group))
        })
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        ActionKind::ALL.iter().any(|action| action.spec().group() == name)
    }
}

impl clap::FromArgMatches for Request {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing =
            || clap::Error::raw(clap::error::ErrorKind::MissingSubcommand, "name a group and a verb\n");
        let (group, matches) = matches.subcommand().ok_or_else(missing)?;
        let (verb, matches) = matches.subcommand().ok_or_else(missing)?;
        let action = find(group, verb).ok_or_else(missing)?;
        Ok(Self::read(action, matches))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Request {
    fn read(action: ActionKind, matches: &ArgMatches) -> Self {
        let mut params = matches.get_one::<Map<String, Value>>("params").cloned().unwrap_or_default();
        params.extend(flags::params(action, matches));
        let span = |id: &str| matches.get_one::<Duration>(id).copied();
        Self {
            action,
            params,
            targets: Targets::read(action, matches),
            reason: matches.get_one::<String>("reason").cloned().unwrap_or_default(),
            expires_in: span("expires-in"),
            revert_after: span("revert-after"),
            confirm_count: matches.get_one::<u64>("confirm-count").copied(),
            idempotency_key: matches.get_one::<String>("idempotency-key").cloned(),
            wait: if matches.get_flag("wait") { span("wait-timeout") } else { None },
            confirmation: Source { password_stdin: matches.get_flag("password_stdin") },
        }
    }

    /// Submits it, and waits for its end where that was asked.
    pub async fn run(self, context: &crate::cli::Context) -> Result<(), Failure> {
        submit::run(self, context).await
    }
}

fn find(group: &str, verb: &str) -> Option<ActionKind> {
    ActionKind::ALL
        .iter()
        .copied()
        .find(|action| action.spec().group() == group && verb_name(*action) == verb)
}

/// The verb as it is typed.
fn verb_name(action: ActionKind) -> String {
    action.spec().verb().replace('_', "-")
}

fn group_command(group: &'static str) -> Command {
    let verbs = ActionKind::ALL.iter().copied().filter(|action| action.spec().group() == group);
    verbs.fold(
        Command::new(group).about(format!("Act on {group} targets")).subcommand_required(true),
        |command, action| command.subcommand(verb_command(action)),
    )
}

fn verb_command(action: ActionKind) -> Command {
    let spec = action.spec();
    let long = format!("{}\n\n{}", spec.summary, consequence(action));
    let command = Command::new(verb_name(action)).about(spec.title).long_about(long).args(flags::of(action));
    let command = targets::augment(action, command).args(request_args()).arg(revert_after(action));
    <Source as clap::Args>::augment_args(command)
}

/// What remains of it, in a sentence.
fn consequence(action: ActionKind) -> String {
    let risk = match action.spec().risk {
        Risk::Low => "low",
        Risk::Medium => "medium",
        Risk::High => "high",
    };
    let effect = match action.spec().effect {
        Effect::ReadOnly => "Nothing on the target changes.".to_owned(),
        Effect::Reversible { by } => format!("Taken back by `{by}` (`quell tasks undo`, or --revert-after)."),
        Effect::Piecewise { by } => format!(
            "Nothing on the target changes unless the parameters ask for it; what is changed then is taken back piece by piece by `{by}`."
        ),
        Effect::Irreversible => "It cannot be taken back.".to_owned(),
    };
    format!("{effect} Risk: {risk}.")
}

fn request_args() -> Vec<Arg> {
    let span = |id: &'static str, help: &'static str| {
        Arg::new(id)
            .long(id)
            .value_name("SPAN")
            .value_parser(duration::parse)
            .help(help)
            .help_heading("Request")
    };
    vec![
        Arg::new("reason").long("reason").short('r').value_name("TEXT").required(true).help("Why; stands in the audit log").help_heading("Request"),
        Arg::new("params").long("params").value_name("JSON|@FILE").value_parser(read_params)
            .help("All parameters as one JSON object, or a file that holds it; flags beside it win").help_heading("Parameters"),
        Arg::new("wait").long("wait").short('w').action(ArgAction::SetTrue)
            .help("Wait for the end and show the evidence; exit status 0 only if the effect was verified on every target").help_heading("Request"),
        span("wait-timeout", "The longest that --wait waits; the task goes on").default_value(WAIT),
        span("expires-in", "No agent begins it after this time, for example 2h"),
        Arg::new("confirm-count").long("confirm-count").value_name("N").value_parser(clap::value_parser!(u64))
            .help("How many targets you expect; refused where it is another number").help_heading("Request"),
        Arg::new("idempotency-key").long("idempotency-key").value_name("TEXT")
            .help("Makes a repeated request the same request; a fresh one where absent").help_heading("Request"),
    ]
}

fn revert_after(action: ActionKind) -> Arg {
    let reversible = matches!(action.spec().effect, Effect::Reversible { .. });
    Arg::new("revert-after")
        .long("revert-after")
        .value_name("SPAN")
        .value_parser(duration::parse)
        .help("Undo it by itself after this time, for example 2h")
        .help_heading("Request")
        .hide(!reversible)
}

/// The most that a file of parameters may hold.
const PARAMS: u64 = 256 << 10;

fn read_params(text: &str) -> Result<Map<String, Value>, String> {
    let json = match text.strip_prefix('@') {
        None => text.to_owned(),
        Some(path) => {
            use std::io::Read as _;
            let file = std::fs::File::open(path).map_err(|error| format!("{path}: {error}"))?;
            let mut json = String::new();
            file.take(PARAMS + 1).read_to_string(&mut json).map_err(|error| format!("{path}: {error}"))?;
            if json.len() as u64 > PARAMS {
                return Err(format!("{path}: more than {PARAMS} bytes"));
            }
            json
        }
    };
    serde_json::from_str(&json).map_err(|error| format!("not a JSON object: {error}"))
}

#[cfg(test)]
mod tests;
