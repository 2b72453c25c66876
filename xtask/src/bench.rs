//! `cargo xtask bench`: everything in the release profile, then the program that measures.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::cargo::{cargo, must, root, target};
use crate::setup;

/// Runs it; its exit status is ours.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    eprintln!("== system packages");
    setup::for_demo()?;
    eprintln!("== building in the release profile");
    must(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "quell",
        "--package",
        "quell-agent",
        "--package",
        "quell-lab",
    ]))?;
    let status = Command::new(target().join("release").join("quell-bench"))
        .args(arguments)
        .current_dir(root())
        .status()
        .context("starting the bench")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
