//! `cargo xtask test`: all that must hold, with one sum at the end.

mod harness;

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Result, bail};

use crate::cargo::{cargo, must};
use crate::report::Report;
use crate::{generate, setup, tidy};

/// How much to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The long tests too.
    pub nightly: bool,
}

impl Options {
    /// Reads the arguments.
    pub fn read(arguments: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        for argument in arguments {
            match *argument {
                "--nightly" => options.nightly = true,
                other => bail!("there is no `{other}`; there is --nightly"),
            }
        }
        Ok(options)
    }
}

/// Everything.
pub fn run(options: Options) -> ExitCode {
    let mut report = Report::new();
    if let Err(error) = setup::for_tests() {
        // Tests that need them say so themselves, and are counted.
        report.skip("system packages", &format!("{error:#}"));
    }
    report.step("format", || must(&mut cargo(&["fmt", "--all", "--check"])));
    report.step("tidy", tidy::run);
    deny(&mut report);
    report.step("lints", || {
        must(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
    });
    if report.step("build", || must(&mut cargo(&["build", "--workspace"]))) {
        report.step("generated files", generate::check);
    }
    report.counted("tests", || harness::run(options.nightly));
    if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The quick part.
pub fn check() -> ExitCode {
    let mut report = Report::new();
    report.step("tidy", tidy::run);
    report.step("types", || must(&mut cargo(&["check", "--workspace", "--all-targets"])));
    if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Licences, bans and sources. Advisories need the network and are looked at apart.
fn deny(report: &mut Report) {
    let there =
        Command::new("cargo-deny").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        report.step("licences and bans", || {
            must(&mut cargo(&[
                "deny",
                "--offline",
                "--log-level",
                "error",
                "check",
                "bans",
                "licenses",
                "sources",
            ]))
        });
    } else {
        report.skip("licences and bans", "cargo-deny is not installed (cargo install cargo-deny --locked)");
    }
}
