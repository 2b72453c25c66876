//! `docs/cli.md`: every command and flag, written from the same description as the parser.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::terminal;

const HEAD: &str = "# Command line\n\n\
    Written by `cargo xtask gen` from the commands themselves. The commands of `quell act` come from the catalogue of actions.\n\n\
    Exit status: **0** done and verified; **1** usage or a problem; **2** a task ended otherwise than succeeded;\n\
    **3** the wait was over before the task.\n\n\
    Where the server is and who asks: `--url` or `QUELL_URL`, `--ca` or `QUELL_CA`, and `QUELL_API_KEY`; where these say nothing,\n\
    what `quell login` kept in `~/.config/quell/cli.json`. A key is never a flag, since flags are seen by every user of a machine.\n";

/// Prints it.
pub fn run() -> Result<(), Failure> {
    terminal::say(document().trim_end())
}

/// The page.
pub fn document() -> String {
    let mut command = Cli::command();
    command.build();
    let mut page = HEAD.to_owned();
    let global: Vec<&Arg> =
        command.get_arguments().filter(|arg| arg.is_global_set() && !arg.is_hide_set()).collect();
    page.push_str("\n## Flags of every command\n\n");
    page.push_str(&table(&global));
    for part in command.get_subcommands() {
        describe(part, &mut page);
    }
    page
}

fn describe(command: &Command, page: &mut String) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let parts: Vec<&Command> = command.get_subcommands().filter(|part| part.get_name() != "help").collect();
    let depth = name.split(' ').count();
    let about =
        command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    // Writing to a string cannot fail, here and below.
    let _ = write!(page, "\n{} `{name}`\n\n{about}\n", "#".repeat(depth.min(4)));
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| {
            !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version"
        })
        .collect();
    if parts.is_empty() {
        let usage = command.clone().render_usage().to_string();
        let _ = write!(page, "\n```\n{}\n```\n", usage.trim_start_matches("Usage: "));
    }
    if !own.is_empty() {
        page.push('\n');
        page.push_str(&table(&own));
    }
    for part in parts {
        describe(part, page);
    }
}

fn table(args: &[&Arg]) -> String {
    let mut rows = "| | |\n|---|---|\n".to_owned();
    for arg in args {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let default: Vec<String> =
            arg.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).collect();
        let default =
            if default.is_empty() || arg.is_hide_default_value_set() || !arg.get_action().takes_values() {
                String::new()
            } else {
                format!(" [default: {}]", default.join(" "))
            };
        let help = help.replace('|', "\\|").replace('\n', " ");
        let _ = writeln!(rows, "| `{}` | {help}{default} |", spelling(arg));
    }
    rows
}

fn spelling(arg: &Arg) -> String {
    let values: Vec<String> =
        arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let value =
        if arg.get_action().takes_values() { values.join(" ").replace('|', "\\|") } else { String::new() };
    match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long} {value}").trim_end().to_owned(),
        (None, Some(long)) => format!("--{long} {value}").trim_end().to_owned(),
        (_, None) => format!("<{value}>"),
    }
}
