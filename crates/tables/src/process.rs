//! Tables of processes, from `/proc`. A process may end at any moment: what cannot be read of one is null, and one that
//! is gone is left out.

pub(crate) mod detail;
pub(crate) mod list;
pub(crate) mod open;
pub(crate) mod sockets;

use std::path::PathBuf;

use crate::env::Scan;

/// Processes that a scan looks at: those that it names, else all.
pub(crate) fn pids(scan: &Scan) -> Vec<i64> {
    match scan.number("pid") {
        Some(Some(pid)) if pid > 0 && scan.host(&format!("/proc/{pid}/stat")).exists() => vec![pid],
        Some(_) => Vec::new(),
        None => all(scan),
    }
}

pub(crate) fn all(scan: &Scan) -> Vec<i64> {
    let Ok(entries) = std::fs::read_dir(scan.host("/proc")) else { return Vec::new() };
    let mut pids: Vec<i64> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

pub(crate) fn file(scan: &Scan, pid: i64, name: &str) -> PathBuf {
    scan.host(&format!("/proc/{pid}/{name}"))
}
