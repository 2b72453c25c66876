//! `cargo xtask test`: all that must hold, with one sum at the end.

mod fuzz;
mod harness;

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Result, bail};

use crate::cargo::{cargo, must};
use crate::report::Report;
use crate::{console, generate, setup, tidy};

/// What the web console is called among packages.
const CONSOLE: &str = "console";

/// How much to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The long tests too.
    pub nightly: bool,
    /// Only the tests of these packages, and nothing else.
    pub packages: Vec<String>,
    /// Only the targets of `fuzz/`, each for so many seconds.
    pub fuzz: Option<u32>,
}

impl Options {
    /// Reads the arguments.
    pub fn read(arguments: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match (*argument, arguments.as_slice().first()) {
                ("--nightly", _) => options.nightly = true,
                ("--fuzz", after) => {
                    let seconds = after.and_then(|word| word.parse().ok());
                    if seconds.is_some() {
                        arguments.next();
                    }
                    options.fuzz = Some(seconds.unwrap_or(fuzz::SECONDS));
                }
                ("-p" | "--package", Some(_)) => {
                    options.packages.extend(arguments.next().map(|&name| name.to_owned()));
                }
                (other, _) => {
                    bail!("there is no `{other}`; there are --nightly, --fuzz [SECONDS] and -p PACKAGE")
                }
            }
        }
        Ok(options)
    }
}

/// Everything.
pub fn run(options: &Options) -> ExitCode {
    let mut report = Report::new();
    if let Some(seconds) = options.fuzz {
        report.counted("fuzz", || fuzz::run(seconds, &options.packages));
        return if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if !options.packages.is_empty() {
        let (of_console, packages): (Vec<String>, Vec<String>) =
            options.packages.iter().cloned().partition(|name| name == CONSOLE);
        if !of_console.is_empty() {
            console::test::run(&mut report, options.nightly);
        }
        if !packages.is_empty() {
            report.counted("tests", || harness::run(&Options { packages, ..options.clone() }));
        }
        return if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if let Err(error) = setup::for_tests() {
        // Tests that need them say so themselves, and are counted.
        report.skip("system packages", &format!("{error:#}"));
    }
    report.step("console", console::build_or_say);
    report.step("format", || must(&mut cargo(&["fmt", "--all", "--check"])));
    report.step("tidy", tidy::run);
    deny(&mut report);
    report.step("lints", || {
        must(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
    });
    if report.step("build", || must(&mut cargo(&["build", "--workspace"]))) {
        report.step("generated files", generate::check);
    }
    report.counted("tests", || harness::run(options));
    console::test::run(&mut report, options.nightly);
    if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The quick part.
pub fn check() -> ExitCode {
    let mut report = Report::new();
    report.step("tidy", tidy::run);
    report.step("types", || must(&mut cargo(&["check", "--workspace", "--all-targets"])));
    if report.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Licences, bans and sources. It reads the manifests of every platform's dependencies, which a machine without a
/// network may not have.
fn deny(report: &mut Report) {
    const NAME: &str = "licences and bans";
    let there =
        Command::new("cargo-deny").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        report.skip(NAME, "cargo-deny is not installed (cargo install cargo-deny --locked)");
        return;
    }
    let mut check = cargo(&["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]);
    let output = check.output();
    let said = output
        .as_ref()
        .map(|output| String::from_utf8_lossy(&output.stderr).into_owned())
        .unwrap_or_default();
    if said.contains("failed to download") || said.contains("failed to fetch") {
        report.skip(NAME, "the manifests of all platforms cannot be fetched here");
        return;
    }
    report.step(NAME, || match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(_) => bail!("{said}"),
        Err(error) => Err(error.into()),
    });
}
