//! `quell demo`: a server and endpoints made on this machine, and the actions shown on them.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Context;
use crate::failure::Failure;

/// How to show it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// End after the last step instead of staying up
    #[arg(long)]
    pub once: bool,
    /// One JSON object a step on standard output
    #[arg(long)]
    pub json: bool,
    /// The agent's program; next to this one where absent
    #[arg(long, value_name = "FILE")]
    pub agent: Option<PathBuf>,
}

/// Shows it.
pub fn run(_arguments: &Arguments, _context: &Context) -> Result<(), Failure> {
    Err(Failure::new("not yet"))
}
