//! `cargo xtask bench` and `cargo xtask faults`: everything in the release profile, then the program that measures, or
//! the one that kills.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::cargo::{cargo, must, root, target};
use crate::{console, setup};

/// Measures; its exit status is ours.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    eprintln!("== system packages");
    setup::for_demo()?;
    start("quell-bench", arguments)
}

/// Kills server and agents under load; its exit status is ours.
pub fn faults(arguments: &[&str]) -> Result<ExitCode> {
    eprintln!("== system packages");
    setup::for_tests()?;
    start("faults", arguments)
}

fn start(program: &str, arguments: &[&str]) -> Result<ExitCode> {
    console::build_or_say()?;
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
    let status = Command::new(target().join("release").join(program))
        .args(arguments)
        .current_dir(root())
        .status()
        .with_context(|| format!("starting {program}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
