//! `cargo xtask test --fuzz [SECONDS]`: every target of `fuzz/` for a while, beginning with its seed corpus.
//!
//! libFuzzer with the coverage that cargo-fuzz asks of the compiler, which the pinned toolchain can give. The address
//! sanitizer it cannot: what is fuzzed has no unsafe code of ours, and panics, overflows and time are seen without it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::cargo::{cargo, must, output, root, target};
use crate::report::Counts;

/// Where nothing is said.
pub const SECONDS: u32 = 60;
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";
/// One input. Seconds, MiB, bytes.
const LIMITS: [&str; 3] = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=65536"];

/// Builds and runs all targets, or those named.
pub fn run(seconds: u32, named: &[String]) -> Result<Counts> {
    let host = output(Command::new("rustc").arg("-vV"))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let place = target().join("fuzz");
    let mut build = cargo(&["build", "--release", "--target", host, "--bins"]);
    build.current_dir(root().join("fuzz")).env("CARGO_TARGET_DIR", &place).env("RUSTFLAGS", COVERAGE);
    must(&mut build)?;
    let mut counts = Counts::default();
    for name in targets()? {
        if !named.is_empty() && !named.contains(&name) {
            continue;
        }
        let program = place.join(host).join("release").join(&name);
        match one(&program, &name, &place, seconds)? {
            Ran { crash: None, executions, per_second } => {
                eprintln!("  {name:<12} {executions:>10} executions, {per_second:>8}/s");
                counts.passed += 1;
            }
            Ran { crash: Some(why), executions, .. } => {
                eprintln!("  {name:<12} CRASHED after {executions} executions: {why}");
                counts.failed += 1;
                counts.names.push(name);
            }
        }
    }
    if counts == Counts::default() {
        bail!("there is no such target");
    }
    Ok(counts)
}

/// Names, from the list of files.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("fuzz/fuzz_targets")).context("listing the targets")? {
        let path = entry.context("listing the targets")?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

struct Ran {
    executions: u64,
    per_second: u64,
    /// The last words, where it did not end well.
    crash: Option<String>,
}

fn one(program: &Path, name: &str, place: &Path, seconds: u32) -> Result<Ran> {
    // What is found goes here; the seeds in the tree stay as they are.
    let found = place.join("corpus").join(name);
    let artifacts = place.join("artifacts");
    for folder in [&found, &artifacts] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let seeds: PathBuf = root().join("fuzz/seeds").join(name);
    let mut command = Command::new(program);
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/{name}-", artifacts.display()));
    command.args(LIMITS).args(["-print_final_stats=1", "-verbosity=0"]).arg(&found);
    if seeds.is_dir() {
        command.arg(&seeds);
    }
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).output();
    let ended = ended.with_context(|| format!("starting {}", program.display()))?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    Ok(read(&said, ended.status.success()))
}

fn read(said: &str, ended_well: bool) -> Ran {
    let number =
        |key: &str| said.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok()).unwrap_or(0);
    let telling = |line: &&str| {
        ["panicked at", "ERROR: libFuzzer", "Test unit written to"].iter().any(|w| line.contains(w))
    };
    let words: Vec<&str> = said.lines().filter(telling).take(4).collect();
    let crash = (!ended_well).then(|| {
        if words.is_empty() { said.lines().last().unwrap_or("no word").to_owned() } else { words.join("; ") }
    });
    Ran {
        executions: number("stat::number_of_executed_units:"),
        per_second: number("stat::average_exec_per_sec:"),
        crash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libfuzzers_words_are_read() {
        let said = "INFO: x\nstat::number_of_executed_units: 123\nstat::average_exec_per_sec:     41\n";
        let ran = read(said, true);
        assert_eq!((ran.executions, ran.per_second, ran.crash), (123, 41, None));
        let said = "thread '<unnamed>' panicked at x.rs:1:2:\nboom\n==1== ERROR: libFuzzer: deadly signal\n";
        assert!(
            read(said, false)
                .crash
                .is_some_and(|why| why.contains("panicked at x.rs") && why.contains("deadly"))
        );
    }
}
