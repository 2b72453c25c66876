//! The execution guard: programs whose content is blocked do not start.
//!
//! The kernel asks a process of ours before a file is executed (fanotify(7), `FAN_OPEN_EXEC_PERM`), and waits for the
//! answer. Whoever is asked and says nothing would hold the whole machine up; therefore
//!
//! - a small process of its own answers, and nothing else: [`serve`]. When it goes, the kernel lets everything pass;
//! - another process, the agent, pings it and ends it when it is silent: [`Sentry`];
//! - an answer that needs the file to be read is given up after [`VERDICT_LIMIT`]: the program runs, and that is told.
//!
//! Content that was found harmless is not asked about again: the kernel keeps a mark on the inode and takes it away when the
//! file is written. Content that is blocked gets a mark that asks for plain opening too, which stops `sh FILE` and
//! `ld.so FILE`.

mod book;
mod canary;
mod content;
mod group;
mod input;
mod keeper;
mod list;
mod local;
mod needs;
mod protect;
mod queue;
mod reader;
mod report;
mod scope;
mod sentry;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use canary::{Checked, check_exec, check_open};
pub(crate) use content::Key;
pub use content::{Digests, MOST_HASHED, digests, digests_until};
pub use list::{Entry, List, Lists, is_listed, write as write_list};
pub use local::open_local;
pub(crate) use local::{answering, answers, facts, find as find_local, reopen};
pub(crate) use protect::inodes as unblockable;
pub use protect::{Protected, protected};
pub use reader::{open, serve};
pub use scope::Scope;
pub(crate) use scope::{each as each_place, table as mounts};
pub use sentry::{Error, News, Sentry, Standing};

/// A program whose content is not known after this long runs, and that is told.
pub const VERDICT_LIMIT: Duration = Duration::from_secs(2);
/// Rules that are named one by one.
pub const MOST_RULES: usize = 4096;

/// How a guard begins; the first line that it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What is watched.
    pub scope: Scope,
    /// The process that may open blocked files.
    pub agent: u32,
}

/// Content that must not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Who asked, for reports.
    pub id: String,
    /// The content, in lower-case hex: 64 digits of SHA-256, or 40 of SHA-1.
    pub hash: String,
    /// Where such content is known to lie: marked at once, so that it cannot be opened either.
    #[serde(default)]
    pub paths: Vec<OsString>,
}

/// Everything that is blocked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// One by one.
    pub rules: Vec<Rule>,
    /// A file with many more, as [`write_list`] writes it.
    pub list: Option<PathBuf>,
    /// Raised whenever the content of that file is another.
    pub list_version: u64,
}

impl Rules {
    /// Whether nothing is blocked: then no guard is needed.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.list.is_none()
    }
}

/// What a guard is told. One line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
enum Ask {
    Rules { generation: u64, rules: Rules },
    Ping { number: u64 },
}

/// What a guard tells. One line of JSON each, at most [`LINE`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "tell")]
pub enum Tell {
    /// It is alive.
    Pong {
        /// Of the ping.
        number: u64,
        /// What it did until now.
        counts: Counts,
    },
    /// Rules are in force.
    Applied {
        /// Which.
        generation: u64,
        /// File systems (or mounts) that are watched.
        watched: u64,
        /// Those that could not be, with the reason; the first few.
        unwatched: Vec<String>,
        /// Known files that were marked.
        marked: u64,
    },
    /// The guard cannot work here.
    Broken {
        /// Why.
        problem: String,
    },
    /// Blocked content was kept from running or from being opened; or would have been.
    Hit(Box<Hit>),
    /// A program ran unchecked.
    Unchecked {
        /// Where it lies.
        path: String,
        /// Who started it.
        pid: u32,
        /// `time_limit`, `too_large`, `busy`, `unreadable`; `foreign`: it was found running from a file system that may not
        /// answer, and is not read.
        why: String,
    },
    /// The kernel asked faster than was answered, and let some pass.
    Overflow,
}

/// Longest line that a guard tells: a write of this size to a pipe is whole or not at all (pipe(7)). Bytes.
const LINE: usize = 4096;

/// What a guard did since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Questions of the kernel.
    pub asked: u64,
    /// Answered with no.
    pub denied: u64,
    /// Files read and hashed.
    pub hashed: u64,
    /// Let pass unchecked.
    pub unchecked: u64,
    /// Reports that were left out, because there were too many or nobody took them.
    pub untold: u64,
}

/// What was tried with blocked content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// To execute it.
    Exec,
    /// To open it.
    Open,
    /// It was found running: started before the rule, or past the guard.
    Running,
}

/// One meeting with blocked content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// What was tried.
    pub attempt: Attempt,
    /// Whether it was kept from happening.
    pub denied: bool,
    /// The rule's id, or `block_list:sha256`, or `block_list:sha1`.
    pub rule: String,
    /// Where the file lies, lossy UTF-8, at most 1,024 bytes.
    pub path: String,
    /// Its SHA-256, lower-case hex.
    pub sha256: String,
    /// Its SHA-1, lower-case hex, where it was taken.
    pub sha1: Option<String>,
    /// Who tried.
    pub pid: u32,
    /// Its user.
    pub uid: Option<u32>,
    /// Its name.
    pub name: String,
    /// Its parent.
    pub ppid: u32,
    /// The parent's name.
    pub parent: String,
    /// Reports of the kind that were left out since the last one.
    pub untold: u64,
    /// Why it was not kept from happening: `report_only`, `protected` (the system needs this very file), `too_late` (it
    /// was let run before it was read), `running` (it ran already).
    pub let_pass: Option<String>,
}
