//! The one door for developers: `cargo xtask demo`, `console`, `test`, `check`, `gen`, `tidy`, `bench`, `setup`. Automation
//! calls nothing else, so that whatever it does can be done at a desk.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal of a developer")]

mod bench;
mod bpf;
mod cargo;
mod console;
mod demo;
mod generate;
mod report;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask demo [--once] [--json]   build, then show the product on endpoints made on this machine
cargo xtask console                  build the web console, where its sources changed
cargo xtask test [--nightly] [-p X]  all that must hold: format, lints, tidy, generated files, licences, tests
                                     (-p console: those of the web console alone)
cargo xtask test --fuzz [SECONDS] [-p X]  each target of fuzz/ for a minute, or so many seconds
cargo xtask check                    the quick part of it: types, lints of layout
cargo xtask gen [--check]            write the generated files, or say which differ
cargo xtask bpf [--check]            compile the programs that the recorder loads into the kernel, or compare
cargo xtask tidy                     crate edges, names, lengths, headers
cargo xtask bench [...]              measure, in the release profile
cargo xtask faults [...]             kill server and agents under load, and see that nothing is lost or done twice
cargo xtask setup                    install the system packages that demo and test need";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<ExitCode> {
    match arguments {
        ["demo", rest @ ..] => demo::run(rest),
        ["console"] => console::build().map(|()| ExitCode::SUCCESS),
        ["test", rest @ ..] => Ok(test::run(&test::Options::read(rest)?)),
        ["check"] => Ok(test::check()),
        ["gen"] => generate::write().map(|()| ExitCode::SUCCESS),
        ["gen", "--check"] => generate::check().map(|()| ExitCode::SUCCESS),
        ["bpf"] => bpf::write().map(|()| ExitCode::SUCCESS),
        ["bpf", "--check"] => {
            if let Some(why) = bpf::check()? {
                eprintln!("not compared: {why}");
            }
            Ok(ExitCode::SUCCESS)
        }
        ["tidy"] => tidy::run().map(|()| ExitCode::SUCCESS),
        ["bench", rest @ ..] => bench::run(rest),
        ["faults", rest @ ..] => bench::faults(rest),
        ["setup"] => setup::for_tests().map(|()| ExitCode::SUCCESS),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        [] => bail!("say what to do\n{USAGE}"),
        [other, ..] => bail!("there is no `{other}`, or not with these arguments\n{USAGE}"),
    }
}
