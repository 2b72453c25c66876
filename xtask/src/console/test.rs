//! The console's tests: types and style, its units, and people's ways through it in a real browser.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{build, is_ci, node, npm, prepare, program, read_json};
use crate::cargo::{cargo, must, target};
use crate::report::{Counts, Report};

/// What Chromium is called; the tests look in the same places.
const BROWSERS: [&str; 4] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/usr/bin/google-chrome-stable",
];

/// All of them, each under a heading of its own.
pub fn run(report: &mut Report, nightly: bool) {
    if let Err(error) = node() {
        for name in ["console", "console: browser"] {
            lacking(report, name, &format!("{error:#}"));
        }
        return;
    }
    if !report.step("console: packages", prepare) {
        return;
    }
    report.step("console: types, style, generated client", || must(&mut npm(&["run", "--silent", "check"])));
    report.counted("console: units", units);
    if report.step("console: build", build) {
        browser(report, nightly);
    }
}

/// What cannot be done here: said at a desk, a failure where nobody looks on.
fn lacking(report: &mut Report, name: &str, why: &str) {
    if is_ci() {
        report.step(name, || Err(anyhow::anyhow!("{why}")));
    } else {
        report.skip(name, why);
    }
}

fn units() -> Result<Counts> {
    let file = told("units.json")?;
    let mut run = npm(&["test", "--silent", "--", "--reporter=default", "--reporter=json"]);
    run.arg(format!("--outputFile.json={}", file.display()));
    let done = must(&mut run);
    let Ok(told) = read_json(&file) else { return done.map(|()| Counts::default()) };
    let count = |name: &str| told.get(name).and_then(Value::as_u64).unwrap_or(0);
    let counts = Counts {
        passed: count("numPassedTests"),
        failed: count("numFailedTests"),
        skipped: count("numPendingTests") + count("numTodoTests"),
        names: failed_units(&told),
    };
    if counts.failed == 0 { done.map(|()| counts) } else { Ok(counts) }
}

fn browser(report: &mut Report, nightly: bool) {
    const NAME: &str = "console: browser";
    if found().is_none() {
        lacking(report, NAME, "no browser: install the package chromium, or name one by QUELL_CHROMIUM");
        return;
    }
    let programs = || must(&mut cargo(&["build", "--package", "quell", "--package", "quell-agent"]));
    if !report.step("console: the server and the agent", programs) {
        return;
    }
    report.counted(NAME, || {
        let file = told("browser.json")?;
        let mut run = program("playwright", &["test", "--reporter=list,json"]);
        run.env("PLAYWRIGHT_JSON_OUTPUT_NAME", &file).env("QUELL_PROGRAMS", target().join("debug"));
        if nightly {
            run.env("QUELL_NIGHTLY", "1").env("QUELL_SCREENSHOTS", "1");
        }
        let done = must(&mut run);
        let Ok(told) = read_json(&file) else { return done.map(|()| Counts::default()) };
        let count = |name: &str| told.pointer(&format!("/stats/{name}")).and_then(Value::as_u64).unwrap_or(0);
        // A test that holds the second time is one that did not hold.
        let failed = count("unexpected") + count("flaky");
        let mut names = Vec::new();
        failed_specs(&told, &mut names);
        let counts = Counts { passed: count("expected"), failed, skipped: count("skipped"), names };
        if failed == 0 { done.map(|()| counts) } else { Ok(counts) }
    });
}

/// Names of units that did not hold.
fn failed_units(told: &Value) -> Vec<String> {
    let files = told["testResults"].as_array().into_iter().flatten();
    let tests = files.filter_map(|file| file["assertionResults"].as_array()).flatten();
    tests
        .filter(|test| test["status"] == "failed")
        .filter_map(|test| test["fullName"].as_str().map(str::to_owned))
        .collect()
}

/// Names of ways through the console that did not hold, from a suite and those within it.
fn failed_specs(suite: &Value, names: &mut Vec<String>) {
    for spec in suite["specs"].as_array().into_iter().flatten().filter(|spec| spec["ok"] != true) {
        let text = |name: &str| spec[name].as_str().unwrap_or_default();
        names.push(format!("{}: {}", text("file"), text("title")));
    }
    for suite in suite["suites"].as_array().into_iter().flatten() {
        failed_specs(suite, names);
    }
}

/// A browser that can be driven.
fn found() -> Option<PathBuf> {
    let named = std::env::var_os("QUELL_CHROMIUM").map(PathBuf::from);
    named.into_iter().chain(BROWSERS.map(PathBuf::from)).find(|path| {
        // Ubuntu has a script of that name that says that it is not installed.
        path.exists() && Command::new(path).arg("--version").output().is_ok_and(|said| said.status.success())
    })
}

/// A fresh place for what a tool tells of its tests.
fn told(name: &str) -> Result<PathBuf> {
    let folder = target().join("console");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let file = folder.join(name);
    // One of an earlier run would be taken for this one's.
    let _ = fs::remove_file(&file);
    Ok(file)
}
