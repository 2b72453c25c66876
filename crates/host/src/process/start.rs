//! Programs started to stay: detached, in a session of their own, and let be. Each has a small *attendant* (the caller's
//! own binary again), which opens and hashes the file, executes the very file that it hashed, keeps the first output,
//! throws the rest away and notes how it ended. So neither a restart of the caller nor a full pipe reaches the program,
//! and a caller that was restarted finds in the directory what became of it. One directory is one start, and starts once.

mod attend;
mod program;
mod run;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use attend::attend;

use super::{Error, Identity};
use crate::script::Launcher;

/// Bytes of a file in the directory.
const JSON: u64 = 4 << 20;
const PLAN: &str = "plan.json";
const CLAIM: &str = "claim.json";
const STARTED: &str = "started.json";
const REFUSED: &str = "refused.json";
const ENDED: &str = "ended.json";
const OUTPUT: &str = "output";
/// For an attendant to hash a program and start it.
const START_LIMIT: Duration = Duration::from_mins(2);

/// What is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// It must have this SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// Variables beside `PATH`, `LANG`, `HOME`, `USER`, `LOGNAME` and `SHELL`, or in their place.
    pub environment: Vec<(String, String)>,
    /// Where it works; `/` where absent.
    pub directory: Option<PathBuf>,
    /// As whom; as the caller where absent.
    pub user: Option<String>,
    /// Bytes of output that are kept.
    pub output: u64,
}

/// What was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// The process.
    pub identity: Identity,
    /// The boot that its start time counts from.
    pub boot_id: String,
    /// The file, symbolic links resolved.
    pub program: PathBuf,
    /// Its SHA-256, of the bytes that were executed.
    pub sha256: [u8; 32],
    /// It begins with `#!`: its interpreter was started, and read it by its path.
    pub script: bool,
    /// As whom it runs.
    pub uid: u32,
    /// The running process was seen to execute that file (or, for a script, its interpreter).
    pub seen: bool,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Exit code, where it exited.
    pub code: Option<i32>,
    /// Signal, where one ended it.
    pub signal: Option<i32>,
    /// Milliseconds that it ran.
    pub after_ms: u64,
}

/// Why it was not started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// A stable code.
    pub code: String,
    /// A sentence.
    pub message: String,
}

/// Where a start stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was started, and nothing will be: no attendant came.
    NotBegun,
    /// The attendant is at it.
    Beginning,
    /// Nothing was started.
    Refused(Refusal),
    /// It was started, and has not ended as far as is known.
    Running(Started),
    /// It has ended.
    Ended(Started, End),
    /// An attendant had begun and died: it may have been started.
    Unknown,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Claim {
    Attendant { identity: Identity, boot_id: String },
    Void,
}

/// Starts it in the directory `dir`, which must not exist yet. Waits until the attendant says how it went.
pub fn start(dir: &Path, plan: &Plan, launcher: &Launcher) -> Result<Standing, Error> {
    let failed = |what| move |source| Error::Unreadable { what, source };
    DirBuilder::new().mode(0o700).create(dir).map_err(failed("a new directory for the start"))?;
    put(dir, PLAN, plan).map_err(failed("the plan of the start"))?;
    let mut attendant = Command::new(&launcher.program)
        .args(&launcher.args)
        .arg(dir)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed("the attendant's start"))?;
    if let Some(pipe) = attendant.stdout.take() {
        await_close(pipe);
    }
    // Collects it at its end, and is not waited for.
    let reaper = std::thread::Builder::new().name("attendant".into()).stack_size(64 << 10);
    reaper.spawn(move || drop(attendant.wait())).map_err(failed("the attendant's end"))?;
    look(dir)
}

/// Until the attendant closes its output, or says something, or the time is over.
fn await_close(mut pipe: impl Read + AsFd) {
    let until = Instant::now() + START_LIMIT;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match poll(&mut [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let _ = pipe.read(&mut [0; 16]);
                return;
            }
        }
    }
}

/// Whether the directory is one of a start.
pub fn is_start(dir: &Path) -> bool {
    dir.join(PLAN).is_file()
}

/// Where the start in `dir` stands. Settles it too: one that no attendant has claimed can be claimed by none afterwards.
pub fn look(dir: &Path) -> Result<Standing, Error> {
    let unreadable = |source| Error::Unreadable { what: "the directory of a start", source };
    // Whether the attendant lives is looked at before what it wrote: what a dead one wrote stays.
    let claim: Option<Claim> = get(dir, CLAIM).map_err(unreadable)?;
    let claim = match claim {
        Some(claim) => Some(claim),
        None if claim_it(dir, &Claim::Void).map_err(unreadable)? => Some(Claim::Void),
        None => get(dir, CLAIM).map_err(unreadable)?,
    };
    let Some(Claim::Attendant { identity, boot_id }) = claim else { return Ok(Standing::NotBegun) };
    let is_this_boot = crate::system::boot_id().map_err(unreadable)?.to_string() == boot_id;
    let lives = is_this_boot && identity.is_running()?;
    if let Some(refusal) = get(dir, REFUSED).map_err(unreadable)? {
        return Ok(Standing::Refused(refusal));
    }
    let started: Option<Started> = get(dir, STARTED).map_err(unreadable)?;
    let ended: Option<End> = get(dir, ENDED).map_err(unreadable)?;
    Ok(match (started, ended) {
        (Some(started), Some(ended)) => Standing::Ended(started, ended),
        (Some(started), None) => Standing::Running(started),
        (None, _) if lives => Standing::Beginning,
        (None, _) => Standing::Unknown,
    })
}

/// The output so far: at most `most` bytes of its beginning, and the bytes written in all, as far as was counted.
pub fn output(dir: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match File::open(dir.join(OUTPUT)) {
        Ok(file) => file.take(most as u64).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(bytes)
}

fn get<T: DeserializeOwned>(dir: &Path, name: &str) -> io::Result<Option<T>> {
    let file = match File::open(dir.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(JSON).read_to_end(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

/// A whole file or none, on disk when this returns.
fn put<T: Serialize>(dir: &Path, name: &str, value: &T) -> io::Result<()> {
    let fresh = written(dir, name, value)?;
    fs::rename(&fresh, dir.join(name))?;
    File::open(dir)?.sync_all()
}

/// Made once, by whoever comes first: `false` where somebody was.
fn claim_it(dir: &Path, claim: &Claim) -> io::Result<bool> {
    let fresh = written(dir, CLAIM, claim)?;
    let linked = fs::hard_link(&fresh, dir.join(CLAIM));
    fs::remove_file(&fresh)?;
    match linked {
        Ok(()) => File::open(dir)?.sync_all().map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn written<T: Serialize>(dir: &Path, name: &str, value: &T) -> io::Result<PathBuf> {
    let fresh = dir.join(format!(".{name}.{}", std::process::id()));
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    Ok(fresh)
}
