//! What the kernel says of a process: memory and processor time.

use std::fs;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Clock ticks per second: `USER_HZ`, which Linux keeps at 100 on every architecture that it still runs on (time(7)).
const TICKS: f64 = 100.0;

/// Memory of a process, KB (`/proc/PID/status` and `/proc/PID/smaps_rollup`, proc(5)).
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    /// Resident, all.
    pub rss_kb: u64,
    /// Resident, anonymous: heap and stacks.
    pub rss_anon_kb: u64,
    /// Resident, of files: program and libraries.
    pub rss_file_kb: u64,
    /// Resident, pages that n processes share counted as an n-th.
    pub pss_kb: u64,
    /// Threads.
    pub threads: u64,
}

impl Memory {
    /// Reads it.
    pub fn of(pid: u32) -> Result<Self> {
        let status =
            fs::read_to_string(format!("/proc/{pid}/status")).context("reading a process's status")?;
        let rollup =
            fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("reading a process's memory")?;
        let number = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next())
                .and_then(|n| n.parse().ok())
                .unwrap_or_default()
        };
        Ok(Self {
            rss_kb: number(&status, "VmRSS:"),
            rss_anon_kb: number(&status, "RssAnon:"),
            rss_file_kb: number(&status, "RssFile:"),
            pss_kb: number(&rollup, "Pss:"),
            threads: number(&status, "Threads:"),
        })
    }
}

/// Processor time of a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// User and system time of the process in clock ticks, threads that ended included (`/proc/PID/stat`, fields 14, 15).
    pub ticks: u64,
    /// Time on a processor of its living threads, nanoseconds (`/proc/PID/task/*/schedstat`, first field).
    pub ran_ns: u64,
}

impl Cpu {
    /// Reads it.
    pub fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("reading a process's times")?;
        // The name in brackets may hold anything; the fields are counted behind it.
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field =
            |number: usize| fields.get(number - 3).and_then(|n| n.parse::<u64>().ok()).unwrap_or_default();
        let mut ran_ns = 0;
        for thread in fs::read_dir(format!("/proc/{pid}/task")).context("reading a process's threads")? {
            // A thread may end while the others are read.
            let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            ran_ns += text.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or_default();
        }
        Ok(Self { ticks: field(14) + field(15), ran_ns })
    }

    /// Seconds of processor time from `earlier` to this, by ticks.
    pub fn since(&self, earlier: &Self) -> f64 {
        (self.ticks - earlier.ticks) as f64 / TICKS
    }
}
