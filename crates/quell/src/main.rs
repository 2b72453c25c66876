//! The binary `quell`: the server, the demo, and the operator command line, which is generated from the catalogue.
//!
//! Here is only the way in: arguments are read, one command runs, and what went wrong becomes one text and one
//! exit status. Exit status: 0 done and verified, 1 usage or a problem, 2 a task ended otherwise than succeeded,
//! 3 the wait was over before the task.

mod act;
mod cli;
mod client;
mod command;
#[cfg(target_os = "linux")]
mod demo;
mod duration;
mod failure;
mod input;
mod output;
mod profile;
mod wait;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::cli::Cli;
use crate::failure::Failure;
use crate::output::{Format, terminal};

fn main() -> ExitCode {
    // An address in the environment counts as an argument, so clap alone would not show the help.
    if std::env::args_os().len() <= 1 {
        // As below: nothing is left to tell a closed terminal.
        let _ = terminal::complain(&Cli::command().render_help().to_string());
        return ExitCode::from(failure::PROBLEM);
    }
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return refuse_usage(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return refuse_usage(&error.format(&mut Cli::command())),
    };
    let format = cli.global.output;
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure, format),
    }
}

/// Help and version are answers; anything else is an error of usage, which must not look like the end of a task.
fn refuse_usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to tell a closed terminal.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(failure::PROBLEM) } else { ExitCode::SUCCESS }
}

fn report(failure: &Failure, format: Format) -> ExitCode {
    if let Some(text) = failure.render(format) {
        // As above: an exit status still says it.
        let _ = terminal::complain(&text);
    }
    ExitCode::from(failure.exit)
}
