//! Scripts, each under a supervisor of its own that outlives the agent.
//!
//! The agent may be restarted, updated or killed while a script runs. So it does not run the script itself:
//! it starts its own binary again as a small supervisor ([`supervise`]), which enforces the limits, collects
//! the output, ends whatever the script left behind, and writes the result to the run's directory. A
//! restarted agent finds the run there ([`adopt`]). One directory is one run, and runs once.
//!
//! A run is over when the script's first process ends: what it left in the background is ended then, daemons
//! included. Under a service manager that kills a service's whole control group at a restart, the supervisors
//! would die with the agent; it has to be told to end the main process only (systemd: `KillMode=process`).

mod adopt;
mod dir;
mod spawn;
mod stream;
mod supervise;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use adopt::{Adopted, Lost, Running, Stream, adopt, cancel, supervisor, tail};
pub use spawn::{Launcher, spawn};
pub use supervise::supervise;

use serde::{Deserialize, Serialize};

/// Where interpreters are looked for, in this order. Fixed: the environment must not decide what runs.
const SEARCH: [&str; 6] =
    ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin", "/opt/microsoft/powershell/7"];

/// What runs a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpreter {
    /// `bash`, without profile and rc files.
    Bash,
    /// The system's `sh`.
    Sh,
    /// `python3`, isolated from its environment and the user's packages.
    Python3,
    /// PowerShell 6 or later, without profile.
    Pwsh,
}

impl Interpreter {
    /// The program's file name.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Sh => "sh",
            Self::Python3 => "python3",
            Self::Pwsh => "pwsh",
        }
    }

    /// Its path on this system.
    pub fn find(self) -> Result<PathBuf, Error> {
        let usable =
            |path: &PathBuf| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
        let found = SEARCH.iter().map(|dir| Path::new(dir).join(self.program())).find(usable);
        found.ok_or(Error::InterpreterMissing(self))
    }

    /// PowerShell refuses files without its extension.
    const fn body(self) -> &'static str {
        match self {
            Self::Bash | Self::Sh => "body.sh",
            Self::Python3 => "body.py",
            Self::Pwsh => "body.ps1",
        }
    }

    const fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Bash => &["--noprofile", "--norc"],
            Self::Sh => &[],
            Self::Python3 => &["-I"],
            Self::Pwsh => &["-NoLogo", "-NoProfile", "-NonInteractive", "-File"],
        }
    }
}

/// One run to be made.
#[derive(Debug, Clone)]
pub struct Job {
    /// What runs it.
    pub interpreter: Interpreter,
    /// The script, at most 4 MiB.
    pub body: Vec<u8>,
    /// SHA-256 that the body must have. Compared again by the supervisor, right before the start.
    pub sha256: [u8; 32],
    /// Arguments, at most 256 and 64 KiB together, without NUL.
    pub args: Vec<String>,
    /// More environment; names must begin with `QUELL_`. Beside it the script sees only `PATH`, `HOME`, `LANG`,
    /// `TZ`, `TMPDIR` and `QUELL_RUN`: nothing of the agent's environment.
    pub env: BTreeMap<String, String>,
    /// Where it starts; `None`: an empty directory inside the run's own.
    pub cwd: Option<PathBuf>,
    /// What it may use.
    pub limits: Limits,
}

/// What a script may use. Enforced by the supervisor or the kernel, not by the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Time from the start to the kill.
    pub time: Duration,
    /// Bytes kept of each of stdout and stderr. What comes beyond is counted and thrown away; the script is
    /// not held up.
    pub output: u64,
    /// Bytes of address space per process.
    pub memory: Option<u64>,
    /// Processor time per process, to the second.
    pub cpu: Option<Duration>,
    /// Processes at once. Counted by the supervisor ten times a second, since the kernel's own limit does
    /// not hold for root; beyond it the run is ended.
    pub processes: Option<u32>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ended {
    /// The script ended by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal that was not the supervisor's ended it.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// Killed at the time limit.
    TimedOut,
    /// Killed as asked.
    Canceled,
    /// Killed for having too many processes.
    TooManyProcesses {
        /// How many were seen.
        seen: u32,
    },
    /// Nothing of it ran.
    NotStarted {
        /// Why.
        reason: String,
    },
}

/// One stream of output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Bytes the script wrote.
    pub seen: u64,
    /// Bytes kept in the run's directory.
    pub kept: u64,
    /// SHA-256 of the bytes kept, in hex.
    pub sha256: String,
}

impl Output {
    /// Some of it was thrown away.
    pub const fn truncated(&self) -> bool {
        self.kept < self.seen
    }
}

/// The result of a run, as the supervisor wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// From the start of the script to the end of its last process.
    pub duration_ms: u64,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    /// Processes that the supervisor had to end: the script itself at a limit, and what it left behind.
    pub stopped: u64,
    /// Processes that could not be ended in time.
    pub left: u64,
}

/// Why a run was not made or not found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system has no such interpreter.
    #[error("{} is not installed on this system", .0.program())]
    InterpreterMissing(Interpreter),
    /// The job is unusable as it stands.
    #[error("the script cannot be run: {0}")]
    Job(&'static str),
    /// The body does not have the digest that was asked for.
    #[error("the script is not the one that was asked for: its SHA-256 differs")]
    Digest,
    /// The directory exists: this run was made before.
    #[error("the run's directory exists already")]
    Exists,
    /// The supervisor did not start, and will not.
    #[error("the supervisor did not start: {0}")]
    Supervisor(String),
    /// The run's directory is missing, damaged or not private.
    #[error("the run's directory is unusable: {0}")]
    Directory(&'static str),
    /// A file of the run could not be read or written.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The run's processes could not be looked at.
    #[error("cannot look at the run's processes")]
    Process(#[from] crate::process::Error),
}

impl Error {
    fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
