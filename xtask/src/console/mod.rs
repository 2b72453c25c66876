//! The web console: its packages, its build, its client, and whether what was built is still what the sources say.

pub mod test;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cargo::{must, root};

/// The oldest Node.js that the console's tools run on.
const OLDEST_NODE: (u32, u32) = (20, 19);
/// What is written by tools, or read by tests alone: no source of the build.
const NO_SOURCES: [&str; 5] = ["node_modules", "dist", "tests", "playwright.config.ts", "test-results"];
/// The client's types, written from the API's document.
pub const CLIENT: &str = "console/src/api/schema.d.ts";

/// Where it is.
pub fn folder() -> PathBuf {
    root().join("console")
}

/// `cargo xtask console`: builds it where sources are newer than what was built.
pub fn build() -> Result<()> {
    if is_current() {
        eprintln!("console/dist is newer than all of its sources: nothing to build");
        return Ok(());
    }
    prepare()?;
    must(&mut npm(&["run", "--silent", "build"]))
}

/// The same before a binary is built that carries it. Without Node.js the binary carries a page that says so.
pub fn build_or_say() -> Result<()> {
    eprintln!("== console");
    match node() {
        Err(_) if is_current() => Ok(()),
        Err(error) => {
            eprintln!("the server goes without its web console: {error:#}");
            Ok(())
        }
        Ok(()) => build(),
    }
}

/// Makes sure that Node.js and the console's packages are there.
pub fn prepare() -> Result<()> {
    node()?;
    if packages_are_current() {
        return Ok(());
    }
    must(&mut npm(&["ci", "--no-audit", "--no-fund"]))
}

/// Writes the types of the client; true where they changed. An error where Node.js is absent.
pub fn write_client() -> Result<bool> {
    prepare()?;
    let old = fs::read(root().join(CLIENT)).unwrap_or_default();
    must(npm(&["run", "--silent", "gen"]).stdout(Stdio::null()))?;
    Ok(fs::read(root().join(CLIENT)).unwrap_or_default() != old)
}

/// Whether the types of the client are those of the API's document.
pub fn check_client() -> Result<bool> {
    prepare()?;
    let mut check = Command::new("node");
    check.arg("scripts/generated.mjs").current_dir(folder());
    Ok(check.status().context("starting node")?.success())
}

/// Whether Node.js is there and new enough.
pub fn node() -> Result<()> {
    let asked = Command::new("node").arg("--version").stderr(Stdio::null()).output();
    let Some(text) = asked.ok().filter(|asked| asked.status.success()) else {
        bail!(
            "Node.js is absent: install the packages nodejs and npm (`cargo xtask setup` does, where it may)"
        );
    };
    let text = String::from_utf8_lossy(&text.stdout).trim().to_owned();
    let mut numbers = text.trim_start_matches('v').split('.').map(|part| part.parse().unwrap_or(0));
    let have: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if have < OLDEST_NODE {
        bail!("Node.js is {text}; the console's tools need {}.{} or newer", OLDEST_NODE.0, OLDEST_NODE.1);
    }
    if Command::new("npm").arg("--version").stdout(Stdio::null()).status().is_err() {
        bail!("Node.js has no npm: install the package npm (`cargo xtask setup` does, where it may)");
    }
    Ok(())
}

/// `npm` with these arguments, in the console's folder.
pub fn npm(arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(folder());
    // What it would say of its own new versions is nobody's concern here.
    command.env("npm_config_update_notifier", "false").env("npm_config_fund", "false");
    command
}

/// One of the programs that the console's packages brought.
pub fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(folder().join("node_modules/.bin").join(name));
    command.args(arguments).current_dir(folder());
    command
}

/// Whether what is installed is what the lock file names. By content: a checkout gives files any time it likes.
fn packages_are_current() -> bool {
    let read =
        |path: &str| -> Option<Value> { serde_json::from_slice(&fs::read(folder().join(path)).ok()?).ok() };
    let (Some(wanted), Some(have)) = (read("package-lock.json"), read("node_modules/.package-lock.json"))
    else {
        return false;
    };
    let Some(packages) = wanted.get("packages").and_then(Value::as_object) else { return false };
    packages.iter().filter(|(name, _)| !name.is_empty()).all(|(name, package)| {
        match have.get("packages").and_then(|packages| packages.get(name)) {
            Some(there) => there.get("integrity") == package.get("integrity"),
            // Parts for other systems stay away.
            None => package.get("optional") == Some(&Value::Bool(true)),
        }
    })
}

/// Whether `dist` is newer than everything that it is built from. Folders count too: what was removed leaves a trace
/// in theirs alone.
fn is_current() -> bool {
    let Some(built) = changed(&folder().join("dist/index.html")) else { return false };
    let mut folders = vec![folder()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { return false };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') || NO_SOURCES.contains(&&*name) {
                continue;
            }
            if changed(&entry.path()).is_none_or(|changed| changed > built) {
                return false;
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    true
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// Whether this runs where nobody looks on, and nothing may be left out.
pub fn is_ci() -> bool {
    env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// A text of JSON that a tool wrote.
fn read_json(path: &Path) -> Result<Value> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))
}
