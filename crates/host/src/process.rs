//! Processes: who they are, and how one is ended without ever hitting another.
//!
//! A pid alone names nothing: the kernel hands it out again. Everything here works on an [`Identity`],
//! the pid together with the moment the process started, and every signal goes through a pidfd that was
//! checked against that moment first.

mod backing;
mod boost;
mod command;
mod digest;
mod guard;
mod hunt;
mod list;
mod memory;
mod procfs;
mod program;
mod select;
pub mod start;
mod terminate;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

pub(crate) use backing::Backing;
pub use command::{COMMAND, Commands};
pub use guard::{Guard, Protection};
pub use hunt::{Member, Scope, TreeTerminated, end_descendants, terminate_tree};
pub use list::{Listed, accounts, each};
pub use memory::{Memory, open_memory};
pub use program::{container_of, open_program};
pub use select::{Found, Match, Selector, find, still_running};
pub use terminate::{Dying, How, Options, Terminated, kill, terminate};

pub(crate) use list::since_1970;
pub(crate) use procfs::{Proc, Row, rows};
pub(crate) use terminate::Target;

use serde::{Deserialize, Serialize};

/// One process, for good: a pid and the moment it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Process id, as seen from this process's pid namespace.
    pub pid: u32,
    /// Clock ticks since boot when it started: field 22 of `/proc/PID/stat` (proc_pid_stat(5)).
    pub start_time: u64,
}

impl Identity {
    /// The calling process.
    pub fn own() -> Result<Self, Error> {
        let pid = std::process::id();
        get(pid).map(|process| process.identity)
    }

    /// Whether exactly this process still runs. A zombie does not: nothing of it runs any more.
    pub fn is_running(self) -> Result<bool, Error> {
        match row(self.pid)? {
            Some(row) => Ok(row.start_time == self.start_time && !row.is_dead()),
            None => Ok(false),
        }
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.pid, self.start_time)
    }
}

/// What the kernel says a process is doing, the letter of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// On a processor, or waiting for one.
    Running,
    /// Waits, and a signal wakes it.
    Sleeping,
    /// Waits in the kernel, and no signal reaches it before that ends.
    Uninterruptible,
    /// Stopped by a signal or a tracer.
    Stopped,
    /// Ended; only its exit status is left.
    Zombie,
    /// Any other letter.
    Other,
}

impl State {
    const fn of(letter: u8) -> Self {
        match letter {
            b'R' => Self::Running,
            b'S' | b'I' => Self::Sleeping,
            b'D' => Self::Uninterruptible,
            b'T' | b't' => Self::Stopped,
            b'Z' | b'X' | b'x' => Self::Zombie,
            _ => Self::Other,
        }
    }
}

/// The executable a process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executable {
    /// Its path as the kernel has it, bytes kept as they are, without the mark for a deleted file.
    pub path: PathBuf,
    /// No file is left under that path, or another one has taken its place.
    pub deleted: bool,
}

/// One process as `/proc` shows it. Names and arguments are whatever the process chose: bytes, not text.
#[derive(Debug, Clone)]
pub struct Process {
    /// Pid and start time.
    pub identity: Identity,
    /// The boot that the start time counts from.
    pub boot_id: crate::system::BootId,
    /// Parent; 0 where the parent is outside this pid namespace.
    pub ppid: u32,
    /// Process group.
    pub group: u32,
    /// Session.
    pub session: u32,
    /// Effective user id; `None` when it ended while being read.
    pub uid: Option<u32>,
    /// Short name, at most 15 bytes for a user's process; the process may have set it to anything.
    pub name: OsString,
    /// The executable; `None` for kernel threads, zombies, and where reading it is not allowed.
    pub exe: Option<Executable>,
    /// Arguments separated by blanks, lossy, at most [`COMMAND`] bytes: where [`Commands::fill`] read them. No other
    /// call here does, since a process can keep that from being read for as long as it likes.
    pub command: Option<String>,
    /// What it does now.
    pub state: State,
    /// A thread of the kernel's own.
    pub kernel: bool,
}

/// Why a process could not be read or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing has this pid.
    #[error("no process has the id {pid}")]
    NoSuchProcess {
        /// The pid asked for.
        pid: u32,
    },
    /// Another process has the pid by now.
    #[error("process id {pid} now belongs to another process, started at {found} and not at {expected}")]
    Reused {
        /// The pid asked for.
        pid: u32,
        /// Start time asked for, in clock ticks since boot.
        expected: u64,
        /// Start time found.
        found: u64,
    },
    /// It must not be ended.
    #[error("process {pid} is protected: {why}")]
    Protected {
        /// The pid asked for.
        pid: u32,
        /// What it is.
        why: Protection,
    },
    /// It has ended already and waits only to be collected by its parent.
    #[error("process {pid} has already ended and is waiting for its parent to notice")]
    Zombie {
        /// The pid asked for.
        pid: u32,
    },
    /// It was told to end and has not.
    #[error("process {pid} did not end after it was killed; it is {state:?}")]
    Survived {
        /// The pid asked for.
        pid: u32,
        /// What it was doing when the wait ended.
        state: State,
    },
    /// The system did not let us.
    #[error("cannot {what} of process {pid}")]
    Denied {
        /// The pid asked for.
        pid: u32,
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// `/proc` could not be read, or did not say what it should.
    #[error("cannot read {what}")]
    Unreadable {
        /// Which part.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// Every process that this one can see, in order of pid. Those that end meanwhile are left out.
pub fn list() -> Result<Vec<Process>, Error> {
    let boot_id = boot_id()?;
    let mut all = Vec::new();
    for pid in procfs::pids()? {
        if let Some(process) = read(pid?, boot_id)? {
            all.push(process);
        }
    }
    all.sort_unstable_by_key(|process| process.identity);
    Ok(all)
}

/// One process by pid.
pub fn get(pid: u32) -> Result<Process, Error> {
    read(pid, boot_id()?)?.ok_or(Error::NoSuchProcess { pid })
}

/// Everything that descends from `root` at this moment, parents before children, without `root` itself.
///
/// Followed by parent pid, each link checked by start time: a parent never starts after its child. A
/// process whose parent has ended hangs below init and is not found this way; [`terminate_tree`] finds
/// those too as far as they share a process group or a session that a member of the tree leads.
pub fn tree(root: Identity) -> Result<Vec<Process>, Error> {
    let rows = rows()?;
    let found = hunt::descend(root, &rows);
    let boot_id = boot_id()?;
    let mut all = Vec::with_capacity(found.len());
    for identity in found {
        if let Some(process) = read(identity.pid, boot_id)?
            && process.identity == identity
        {
            all.push(process);
        }
    }
    Ok(all)
}

fn row(pid: u32) -> Result<Option<Row>, Error> {
    match Proc::open(pid)? {
        Some(proc) => proc.row(),
        None => Ok(None),
    }
}

fn read(pid: u32, boot_id: crate::system::BootId) -> Result<Option<Process>, Error> {
    let Some(proc) = Proc::open(pid)? else { return Ok(None) };
    let Some(row) = proc.row()? else { return Ok(None) };
    Ok(Some(Process {
        identity: row.identity(),
        boot_id,
        ppid: row.ppid,
        group: row.group,
        session: row.session,
        uid: proc.uid(),
        exe: if row.kernel { None } else { proc.exe() },
        state: row.state,
        kernel: row.kernel,
        name: row.name,
        command: None,
    }))
}

fn boot_id() -> Result<crate::system::BootId, Error> {
    crate::system::boot_id().map_err(|source| Error::Unreadable { what: "the boot id", source })
}
