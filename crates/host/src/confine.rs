//! Confinement: a process that is about to read hostile bytes gives up everything it does not need for that.
//!
//! For a process of its own that has just started and has one thread. Each layer stands alone, so that a gap in
//! one is not a way out: limits of memory, time, files and processes; another user without capabilities; Landlock,
//! which takes away the file system and the network; seccomp, which takes away the system calls. None of it can be
//! taken back by the process.

mod filter;
mod landlock;
mod limits;
mod privileges;

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is left to the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Nothing but memory and the descriptors that it is handed: it cannot open, look up, connect or start anything.
    Sealed,
    /// Opens any file for reading and lists directories; writes nowhere, no network, starts nothing. Keeps
    /// `CAP_DAC_READ_SEARCH`. Landlock keeps it from the insides of other processes (`/proc/PID/exe`, `fd`, `maps`,
    /// `environ`).
    Reader,
    /// As `Reader`, and sees the insides of processes; it may also ask the kernel about the network by netlink. Keeps
    /// `CAP_DAC_READ_SEARCH` and `CAP_SYS_PTRACE`. Without Landlock, for no Landlock domain may look into a process outside
    /// of it: that nothing is written rests on seccomp (opens for reading only) and on the other user.
    Inspector,
    /// Everything: it is no confinement. For work on memory that needs the agent's own rights, in a process of its own since
    /// it may be kept waiting in the kernel, where no signal reaches it.
    Apart,
}

/// What the process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory of its own (heap and private writable mappings). Files that it maps for reading do not count.
    pub memory: u64,
    /// Processor time, to the second.
    pub cpu: Duration,
    /// Descriptors at once.
    pub descriptors: u32,
    /// Runs when nobody else wants the processor or the disk.
    pub background: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 256 << 20, cpu: Duration::from_mins(10), descriptors: 64, background: true }
    }
}

/// How the process is confined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confined {
    /// What is left to it.
    pub profile: Profile,
    /// The version of Landlock that holds it; `None` where the kernel has none or the profile uses none.
    pub landlock: Option<u32>,
    /// What could not be had, in words for a person.
    pub warnings: Vec<String>,
}

impl std::fmt::Display for Confined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.profile {
            Profile::Sealed => "sealed",
            Profile::Reader => "reader",
            Profile::Inspector => "inspector",
            Profile::Apart => return f.write_str("a process of its own, not confined"),
        })?;
        f.write_str(": seccomp, no privileges")?;
        if let Some(version) = self.landlock {
            write!(f, ", Landlock {version}")?;
        }
        Ok(())
    }
}

/// Why the process is not confined. It must not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Filters hold for threads; another thread would stay free.
    #[error("the process has {0} threads, and only one may be confined")]
    Threads(usize),
    /// A limit was refused.
    #[error("cannot limit {what}")]
    Limit {
        /// Which.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A privilege was not given up.
    #[error("cannot give up privileges: {what}")]
    Privileges {
        /// Which step.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The kernel has Landlock and did not take our rules.
    #[error("Landlock refused its rules: {0}")]
    Landlock(String),
    /// The kernel did not take the filter, or there is none for this kind of machine.
    #[error("seccomp refused its filter: {0}")]
    Seccomp(String),
}

/// Confines this process for good.
///
/// On an error some of it may hold already and the rest does not: end the process.
pub fn enter(profile: Profile, limits: &Limits) -> Result<Confined, Error> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    if threads != 1 {
        return Err(Error::Threads(threads));
    }
    if profile == Profile::Apart {
        return Ok(Confined { profile, landlock: None, warnings: Vec::new() });
    }
    limits::lower_standing(limits.background);
    limits::set(limits)?;
    let mut warnings = Vec::new();
    if profile == Profile::Sealed && !privileges::leave_file_system() {
        warnings.push("the file system's names stay visible: changing the root was refused".to_owned());
    }
    let landlock = landlock::enter(profile, &mut warnings)?;
    privileges::give_up(profile)?;
    limits::no_processes()?;
    filter::enter(profile)?;
    Ok(Confined { profile, landlock, warnings })
}
