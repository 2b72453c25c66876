//! Confined workers of the agent: `quell-agent worker <kind>`, started by the agent itself for whatever reads hostile
//! bytes.
//!
//! A kind is a module here with two halves: `work`, which runs in the worker, and the questions that handlers ask from
//! outside ([`quell_host::worker::Worker`]). The binary comes here before it has a runtime, a logger or a second thread;
//! nothing in a worker may need one.

use quell_host::confine::Profile;
use quell_host::worker::{Channel, Launcher, serve};

/// What a worker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connection to ClamAV's daemon, and files for it, which arrive as descriptors.
    Clamd,
    /// The memory of a process, into its archive.
    Memory,
    /// SQL about this machine.
    Tables,
    /// YARA rules on files and memory, which arrive as descriptors.
    Yara,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Clamd, Self::Memory, Self::Tables, Self::Yara];

    /// The argument of the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clamd => "clamd",
            Self::Memory => "memory",
            Self::Tables => "tables",
            Self::Yara => "yara",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What is left to it.
    pub const fn profile(self) -> Profile {
        match self {
            Self::Memory => Profile::Apart,
            Self::Tables => Profile::Inspector,
            Self::Clamd | Self::Yara => Profile::Sealed,
        }
    }

    /// Starts one: this very binary again.
    pub fn launcher(self) -> Launcher {
        Launcher::own(self.as_str())
    }

    fn work(self, channel: &mut Channel) -> std::io::Result<()> {
        match self {
            Self::Clamd => clamd::work(channel),
            Self::Memory => memory::work(channel),
            Self::Tables => tables::work(channel),
            Self::Yara => yara::work(channel),
        }
    }

    /// The whole life of a worker of this kind, in a process that has just started. Returns its exit code.
    pub fn run(self) -> i32 {
        serve(self.profile(), |channel| self.work(channel))
    }
}

pub mod clamd;
pub mod memory;
pub mod tables;
pub mod yara;
