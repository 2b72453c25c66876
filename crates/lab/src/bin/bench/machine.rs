//! Where it was measured.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use serde_json::{Value, json};

/// Processor, memory, kernel, disk, commit and build profile.
pub fn facts(work: &Path) -> Result<Value> {
    let system = rustix::system::uname();
    let filesystem = filesystem(work);
    if filesystem == "tmpfs" {
        bail!("{} is in memory; durable states need a real disk (--work)", work.display());
    }
    Ok(json!({
        "commit": git(&["rev-parse", "HEAD"]),
        "commit_is_clean": git(&["status", "--porcelain"]).is_empty(),
        "profile": if cfg!(debug_assertions) { "dev" } else { "release" },
        "version": env!("CARGO_PKG_VERSION"),
        "at": now(),
        "machine": {
            "cpu": line("/proc/cpuinfo", "model name"),
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "memory": line("/proc/meminfo", "MemTotal"),
            "kernel": system.release().to_string_lossy(),
            "arch": system.machine().to_string_lossy(),
            "filesystem": filesystem,
            "load_average_before": fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
        },
    }))
}

fn now() -> String {
    let micros = quell_agent::clock::Clock::system().now_us();
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), |time| format!("{time:.0}"))
}

fn line(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
    found.map_or_else(String::new, |(_, value)| value.trim().to_owned())
}

fn filesystem(work: &Path) -> String {
    // The mount with the longest path that the folder is under.
    let work = work.canonicalize().unwrap_or_else(|_| work.to_owned());
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let under = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        work.starts_with(point).then_some((point.len(), kind))
    });
    under.max_by_key(|(length, _)| *length).map_or_else(String::new, |(_, kind)| kind.to_owned())
}

fn git(arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).output();
    output.map_or_else(|_| String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
