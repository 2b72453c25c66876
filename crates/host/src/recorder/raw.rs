//! What the kernel and its files told, as it was told: nothing is looked up, judged or joined here.
//!
//! Times are nanoseconds since boot, suspended time included (`CLOCK_BOOTTIME`): no clock that is set shifts them. Names, paths
//! and command lines are bytes.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::process::Identity;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// When, in nanoseconds since boot. Of files: when it was heard of, some milliseconds later.
    pub at: u64,
    /// Who did it; of a fork, the child. Pid 0: not known who; start 0: known by its pid alone.
    pub process: Identity,
    /// What was known about who did it at that moment. None of files and logins, which tell a pid alone.
    pub task: Option<Box<Task>>,
    /// What it was.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It ran already when the recorder began. [`Raw::at`] is when it started.
    Running(Box<Program>),
    /// It was made by another.
    Forked {
        /// Who called; differs from the parent where the caller made a sibling of itself (`CLONE_PARENT`).
        creator: Option<Identity>,
    },
    /// It began to run a program.
    Executed(Box<Program>),
    /// It ended.
    Exited {
        /// How, as wait(2) tells it: exit code times 256, or the signal, and 128 more with a core dump. None: not known.
        status: Option<u32>,
    },
    /// It did something on the network.
    Network(Box<Network>),
    /// It asked a name server on port 53, over UDP.
    Asked(Box<Question>),
    /// It created, changed or renamed a file.
    File(Box<FileChange>),
    /// Somebody logged in, or was refused.
    Login(Box<Login>),
    /// It loaded a module into the kernel.
    Module(OsString),
}

/// A process at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Task {
    /// When it began, in nanoseconds since boot.
    pub start: u64,
    /// Who waits for its end; none where that is outside of what can be seen.
    pub parent: Option<Identity>,
    /// User.
    pub uid: u32,
    /// Effective user.
    pub euid: u32,
    /// Who logged in (`/proc/PID/loginuid`); none where nobody did, or the kernel does not keep that.
    pub login: Option<u32>,
    /// Number of that login (`/proc/PID/sessionid`).
    pub session: Option<u32>,
    /// Controlling terminal: `pts/0`, `tty1`; of others, its numbers.
    pub terminal: Option<String>,
    /// Where it lives in a PID namespace below the recorder's.
    pub inner: Option<Inner>,
    /// Inode of its mount namespace; 0 where it is not known.
    pub mounts: u32,
    /// Short name.
    pub name: OsString,
}

/// A process as another PID namespace has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inner {
    /// Its pid there.
    pub pid: u32,
    /// Inode of that namespace.
    pub namespace: u32,
}

/// How much is known of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Details {
    /// All, from the kernel at the moment itself.
    #[default]
    AtOnce,
    /// Read from `/proc` afterwards: it may have changed meanwhile.
    Afterwards,
    /// It had ended, or run something else, before that could be read.
    Gone,
}

/// A program as it was started. Paths are as the process's own mount namespace has them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// What was asked for: as it was written, so perhaps relative; of a script the script. Empty where it is not known.
    pub asked: PathBuf,
    /// What runs instead of what was asked for (`#!`, binfmt_misc), as it was written.
    pub interpreter: Option<PathBuf>,
    /// The arguments, each with a NUL behind it; at most [`ARGUMENTS`] bytes.
    pub command: Vec<u8>,
    /// Bytes of all arguments.
    pub command_size: u64,
    /// The executable.
    pub path: PathBuf,
    /// Working directory.
    pub directory: PathBuf,
    /// The beginning of one of these two paths is missing: that one begins with [`CUT`], and is not absolute.
    pub paths_cut: bool,
    /// Inode of the executable.
    pub inode: u64,
    /// Its device: major and minor number.
    pub device: (u32, u32),
    /// Type and permissions of the executable, as stat(2) tells them; 0 where they are not known.
    pub mode: u32,
    /// It has no name any more.
    pub deleted: bool,
    /// It lives in memory alone (memfd_create(2)).
    pub in_memory: bool,
    /// How much of this is known.
    pub details: Details,
}

/// Stands where the beginning of a path is missing.
pub const CUT: &str = "…";

/// Bytes of arguments that are kept.
pub const ARGUMENTS: usize = 4096;

impl Program {
    /// The arguments, the name first.
    pub fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        let text = self.command.strip_suffix(b"\0").unwrap_or(&self.command);
        text.split(|byte| *byte == 0).take(if self.command.is_empty() { 0 } else { usize::MAX })
    }

    /// Whether there were more arguments than are kept.
    pub fn is_cut(&self) -> bool {
        self.command_size > self.command.len() as u64
    }
}

/// One step of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Which.
    pub step: Step,
    /// The same for all steps of one connection; of UDP the socket's inode.
    pub id: u64,
    /// TCP, or UDP.
    pub tcp: bool,
    /// This end. The port is 0 before one was chosen.
    pub local: SocketAddr,
    /// The other end; unspecified of a port that listens.
    pub remote: SocketAddr,
    /// Inode of the network namespace.
    pub namespace: u32,
}

/// What a conversation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// connect(2) was called.
    Connecting,
    /// The other end agreed.
    Connected,
    /// It did not; the error as errno(3) numbers it, 0 where the caller gave up.
    Failed(i32),
    /// A port was opened. TCP alone.
    Listening,
    /// Somebody outside connected: told of who opened the port.
    Accepted,
    /// The same connection, told of who read from it first, where that is another or who opened the port is not known.
    Taken,
    /// The first packet of a UDP socket to this address.
    Sending,
}

/// A question to a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The name, with dots between its labels and none at the end; what is no plain character is `\DDD` (RFC 1035, 5.1).
    pub name: String,
    /// The type of record that was asked for.
    pub kind: u16,
    /// Who was asked.
    pub server: SocketAddr,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// What.
    pub change: Change,
    /// Its path now, as this process's mount namespace has it.
    pub path: PathBuf,
    /// The path is one of another mount namespace, such as a container's.
    pub foreign: bool,
    /// What it is; none where it was gone before it could be looked at.
    pub facts: Option<FileFacts>,
    /// Its path speaks of it: what starts programs, or says who may do what.
    pub sensitive: bool,
}

/// How a file changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new, and was closed after writing where it is a plain file that was written.
    Created,
    /// It was open for writing, and was closed.
    Written,
    /// It got this name, and had another; none where that is not known or lay elsewhere.
    Renamed(Option<PathBuf>),
}

/// A file as it was looked at after the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// Bytes.
    pub size: u64,
    /// Type and permissions, as stat(2) tells them.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Inode.
    pub inode: u64,
    /// Device: major and minor number.
    pub device: (u32, u32),
    /// What its first bytes say.
    pub format: Format,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A program for the machine.
    Elf,
    /// A text that begins with `#!`.
    Script,
    /// Anything else, or it could not be read.
    Other,
}

/// One record of who was let in, or not (utmp(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Let in.
    pub accepted: bool,
    /// As whom.
    pub user: String,
    /// Terminal, without `/dev/`.
    pub terminal: String,
    /// From which host, by name or address; empty where that is here.
    pub from: String,
    /// Microseconds since 1970, by the clock of that moment.
    pub time_us: i64,
    /// Number of the process, as the record has it.
    pub pid: u32,
}

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Processes that were made.
    Fork,
    /// Programs that were begun.
    Exec,
    /// Processes that ended.
    Exit,
    /// Connections and ports.
    Network,
    /// Questions to name servers.
    Question,
    /// Modules of the kernel.
    Module,
    /// Files.
    File,
    /// Logins.
    Login,
}

impl Kind {
    /// All, in their order.
    pub const ALL: [Self; 8] = [
        Self::Fork,
        Self::Exec,
        Self::Exit,
        Self::Network,
        Self::Question,
        Self::Module,
        Self::File,
        Self::Login,
    ];
}

impl What {
    /// How it is counted; what ran before is not.
    pub const fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Running(_) => return None,
            Self::Forked { .. } => Kind::Fork,
            Self::Executed(_) => Kind::Exec,
            Self::Exited { .. } => Kind::Exit,
            Self::Network(_) => Kind::Network,
            Self::Asked(_) => Kind::Question,
            Self::Module(_) => Kind::Module,
            Self::File(_) => Kind::File,
            Self::Login(_) => Kind::Login,
        })
    }
}
