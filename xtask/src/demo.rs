//! `cargo xtask demo`: everything set up and built, then `quell demo`.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::cargo::{cargo, must, root, target};
use crate::{console, setup};

/// Runs it; its exit status is ours.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    eprintln!("== system packages");
    setup::for_demo()?;
    console::build_or_say()?;
    eprintln!("== building the server and the agent (a first build takes minutes, the next ones seconds)");
    must(&mut cargo(&["build", "--package", "quell", "--package", "quell-agent"]))?;
    let folder = target().join("debug");
    let mut demo = Command::new(folder.join("quell"));
    demo.arg("demo").arg("--agent").arg(folder.join("quell-agent")).args(arguments).current_dir(root());
    eprintln!("== {}", crate::cargo::words(&demo));
    let status = demo.status().context("starting the demo")?;
    Ok(match status.code() {
        Some(0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
