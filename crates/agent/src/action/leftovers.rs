//! The work directories of orders that are over: removed, and what still runs in them ended first.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quell_host::process::Identity;
use quell_host::script::{self, Adopted};
use quell_host::tree;

use crate::runner::chain;
use crate::state::StateDir;

/// One directory per order below it.
const WORK: &str = "work";
/// Begins the name of a script's run directory within the order's.
const RUN: &str = "run-";
/// For a supervisor to end what it supervises.
const END: Duration = Duration::from_secs(20);

/// The name, within the state directory, of an order's work directory.
pub(super) fn work(order_id: &str) -> String {
    format!("{WORK}/{order_id}")
}

/// The directory of one attempt at a script.
pub(super) fn run(work: &Path, attempt: u32) -> PathBuf {
    work.join(format!("{RUN}{attempt}"))
}

/// The directory of one attempt at one step of several.
pub(super) fn run_of(work: &Path, step: usize, attempt: u32) -> PathBuf {
    work.join(format!("{RUN}{step}-{attempt}"))
}

/// Removes an order's directory, off the caller's thread.
pub(super) fn remove(state: &StateDir, order_id: &str) {
    let path = state.join(&work(order_id));
    if path.is_dir() {
        removed_later(vec![path]);
    }
}

/// Removes what orders that are over have left. `keep` are those that are not.
pub(super) fn sweep(state: &StateDir, keep: &HashSet<String>) {
    let Ok(entries) = fs::read_dir(state.join(WORK)) else { return };
    let is_kept = |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|name| keep.contains(name));
    let dead: Vec<_> = entries.flatten().filter(|entry| !is_kept(entry)).map(|entry| entry.path()).collect();
    if !dead.is_empty() {
        tracing::info!(count = dead.len(), "removing what ended orders left");
        removed_later(dead);
    }
}

/// The supervisors of all scripts under way, whoever started them.
pub(crate) fn supervisors(state: &StateDir) -> Vec<Identity> {
    let orders = entries(&state.join(WORK));
    let runs = orders.iter().flat_map(|order| runs(order));
    runs.filter_map(|run| script::supervisor(&run).ok().flatten()).collect()
}

fn removed_later(paths: Vec<PathBuf>) {
    let work = move || {
        for path in paths {
            if let Err(error) = end_and_remove(&path) {
                tracing::warn!(path = %path.display(), error = chain(&error), "a work directory is left");
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("leftovers".into()).spawn(work) {
        tracing::warn!(error = chain(&error), "work directories are left");
    }
}

/// Ends what runs in an order's directory, and removes the directories of all runs.
pub(super) fn end_runs(path: &Path) -> io::Result<()> {
    if !are_over(path) {
        return Err(io::Error::other("a program of an ended order still runs"));
    }
    runs(path).iter().try_for_each(|run| tree::remove(run))
}

/// Settles every run: a supervisor that is gone has its processes ended, one that lives is told to end.
fn are_over(path: &Path) -> bool {
    runs(path).iter().all(|run| {
        let Ok(Adopted::Running(running)) = script::adopt(run) else { return true };
        let asked = running.cancel();
        let is_over = matches!(running.wait(END), Ok(Some(_)));
        if !is_over {
            tracing::warn!(path = %run.display(), ?asked, "a script of an ended order still runs");
        }
        is_over
    })
}

fn end_and_remove(path: &Path) -> io::Result<()> {
    if !are_over(path) {
        return Ok(());
    }
    tree::remove(path)
}

/// The directories of an order's runs.
pub(super) fn runs(order: &Path) -> Vec<PathBuf> {
    let mut runs = entries(order);
    runs.retain(|path| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(RUN.as_bytes()))
    });
    runs
}

fn entries(path: &Path) -> Vec<PathBuf> {
    fs::read_dir(path)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default()
}
