//! `quell demo`: a server and endpoints made on this machine, and the actions shown on them.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;

/// How to show it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// End after the last step; exit status 0 only if every effect was verified from both ends
    #[arg(long)]
    once: bool,
    /// One JSON object a step: step, action, target, status, evidence, ms
    #[arg(long)]
    json: bool,
    /// The agent's program; the file `quell-agent` next to this program where absent
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Be the stage of tests in a browser: one line of JSON says where everything is, standard input asks, its end ends it
    #[cfg(target_os = "linux")]
    #[arg(long, hide = true, value_enum, conflicts_with_all = ["once", "json"])]
    stage: Option<crate::demo::Kind>,
}

/// Shows it.
#[cfg(target_os = "linux")]
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let beside = || std::env::current_exe().map(|program| program.with_file_name("quell-agent"));
    let agent = arguments.agent.clone().map_or_else(beside, Ok)?;
    let Arguments { once, json, stage, .. } = arguments;
    crate::demo::run(&crate::demo::Options { once, json, stage, agent })
}

/// Endpoints are made of what only Linux has.
#[cfg(not(target_os = "linux"))]
pub fn run(_: Arguments) -> Result<(), Failure> {
    Err(Failure::new("the demonstration makes endpoints out of Linux namespaces")
        .hint("run it on Linux, in a VM for example"))
}
