//! Runs the tests and reads what their programs print, so that the sum is of tests and the output of what failed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::cargo::cargo;
use crate::report::Counts;
use crate::setup;
use crate::test::Options;

/// Runs every test of the workspace, or of the packages that were named.
pub fn run(options: &Options) -> Result<Counts> {
    // Output of tests that held is wanted for the reasons of those that skipped themselves.
    let mut command = cargo(&["test", "--no-fail-fast"]);
    if options.packages.is_empty() {
        command.arg("--workspace");
    }
    for package in &options.packages {
        command.args(["--package", package]);
    }
    command.args(["--", "--show-output"]);
    if options.nightly {
        command.arg("--include-ignored").env("QUELL_NIGHTLY", "1");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().context("starting the tests")?;
    let stdout = child.stdout.take().context("the tests have no output")?;
    let mut reader = Reader::new(setup::is_no_reason);
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("reading the tests' output")?;
        if let Some(text) = reader.take(&String::from_utf8_lossy(&line)) {
            eprintln!("{text}");
        }
    }
    let status = child.wait().context("waiting for the tests")?;
    // What a program printed before it died without a result.
    if reader.is_inside() {
        eprintln!("{}", reader.pending.join("\n"));
        bail!("a test program ended without a result");
    }
    if !status.success() && reader.counts.failed == 0 {
        bail!("the tests could not be built or run: {status}");
    }
    Ok(reader.counts)
}

/// Reads the output of test programs, line by line.
struct Reader {
    counts: Counts,
    /// Lines of the program that runs, kept until its result is known.
    pending: Vec<String>,
    /// The test whose output is being read.
    current: Option<String>,
    skipped: BTreeSet<String>,
    reasons: BTreeSet<String>,
    /// Tests that skipped themselves for want of something that is there.
    shirked: BTreeSet<String>,
    /// Whether a reason to skip is none.
    is_no_reason: fn(&str) -> bool,
}

impl Reader {
    fn new(is_no_reason: fn(&str) -> bool) -> Self {
        Self {
            counts: Counts::default(),
            pending: Vec::new(),
            current: None,
            skipped: BTreeSet::new(),
            reasons: BTreeSet::new(),
            shirked: BTreeSet::new(),
            is_no_reason,
        }
    }

    /// Takes a line; answers what to show once a program's result is known.
    fn take(&mut self, line: &str) -> Option<String> {
        self.pending.push(line.to_owned());
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.counts.names.push(name.to_owned());
        }
        if let Some(name) = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----")) {
            self.current = Some(name.to_owned());
        }
        if let (Some(reason), Some(name)) = (line.trim_start().strip_prefix("skipped: "), &self.current) {
            if (self.is_no_reason)(reason) {
                self.shirked.insert(format!("{name} skipped itself, and should have run: {reason}"));
            } else {
                self.skipped.insert(name.clone());
                self.reasons.insert(reason.to_owned());
            }
        }
        let counts = result(line)?;
        Some(self.finish(line, counts))
    }

    /// Whether a program began its tests and has not told their result.
    fn is_inside(&self) -> bool {
        self.pending.iter().any(|line| line.starts_with("running "))
    }

    fn finish(&mut self, line: &str, counts: Counts) -> String {
        // Who skips itself is no pass, whatever the harness thinks.
        let shirked = (self.shirked.len() as u64).min(counts.passed);
        let skipped = (self.skipped.len() as u64).min(counts.passed - shirked);
        self.counts.passed += counts.passed - skipped - shirked;
        self.counts.failed += counts.failed + shirked;
        self.counts.skipped += counts.skipped + skipped;
        self.counts.names.extend(self.shirked.iter().cloned());
        let shown = if counts.failed > 0 {
            self.pending.join("\n")
        } else {
            let reasons = self.reasons.iter().map(|reason| format!("  skipped: {reason}"));
            let shirked = self.shirked.iter().map(|told| format!("  FAILED: {told}"));
            reasons.chain(shirked).chain([format!("  {line}")]).collect::<Vec<_>>().join("\n")
        };
        self.pending.clear();
        self.skipped.clear();
        self.reasons.clear();
        self.shirked.clear();
        self.current = None;
        shown
    }
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; …`
fn result(line: &str) -> Option<Counts> {
    let rest = line.strip_prefix("test result: ")?;
    let count = |word: &str| {
        let (before, _) = rest.split_once(word)?;
        before.trim_end().rsplit([' ', ';']).next()?.parse().ok()
    };
    let (passed, failed, skipped) = (count(" passed")?, count(" failed")?, count(" ignored")?);
    Some(Counts { passed, failed, skipped, ..Counts::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed_and_skips_are_no_passes() {
        let output = "\nrunning 3 tests\ntest a ... ok\ntest b ... ok\ntest c ... ok\n\nsuccesses:\n\n---- b stdout ----\n\
            skipped: no root\nskipped: no root\n\ntest result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out";
        let mut reader = Reader::new(|_| false);
        let shown: Vec<String> = output.lines().filter_map(|line| reader.take(line)).collect();
        assert_eq!(reader.counts, Counts { passed: 2, failed: 0, skipped: 2, names: vec![] });
        assert_eq!(shown.len(), 1);
        assert!(shown[0].starts_with("  skipped: no root\n  test result: ok"), "{}", shown[0]);
        assert_eq!((reader.take(""), reader.is_inside()), (None, false), "a line after the last result");
        assert_eq!((reader.take("running 1 test"), reader.is_inside()), (None, true));
    }

    #[test]
    fn who_skips_itself_for_no_reason_has_failed() {
        let output = "running 3 tests\n---- a stdout ----\nskipped: PostgreSQL did not start\n---- b stdout ----\n\
            skipped: this kernel cannot\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured";
        let mut reader = Reader::new(|reason| reason.contains("PostgreSQL"));
        let shown: Vec<String> = output.lines().filter_map(|line| reader.take(line)).collect();
        let Counts { passed, failed, skipped, names } = &reader.counts;
        assert_eq!((*passed, *failed, *skipped, names.len()), (1, 1, 1, 1));
        assert!(
            shown[0].contains("FAILED: a skipped itself, and should have run: PostgreSQL"),
            "{}",
            shown[0]
        );
    }

    #[test]
    fn all_of_a_failed_program_is_shown() {
        let mut reader = Reader::new(|_| false);
        assert_eq!(reader.take("test a ... FAILED"), None);
        let shown = reader.take("test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured");
        assert!(shown.is_some_and(|text| text.starts_with("test a ... FAILED")));
        assert_eq!((reader.counts.failed, reader.counts.names), (1, vec!["a".to_owned()]));
    }
}
