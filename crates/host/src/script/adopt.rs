//! Taking a run up again: what the directory says, and who of it still lives.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::process::Signal;

use super::dir::{Claim, Dir};
use super::{Error, Outcome};
use crate::process::{Error as ProcessError, Guard, Identity, Proc, Scope, Target, rows, terminate_tree};

/// The most of a process's environment that is searched for the run's mark.
const ENVIRON_CAP: u64 = 256 * 1024;
/// How long ending one process that a dead supervisor left may take, with its descendants.
const END_LIMIT: Duration = Duration::from_secs(10);

/// What became of a run.
#[derive(Debug)]
pub enum Adopted {
    /// Its supervisor lives.
    Running(Running),
    /// It is over, and this is its result.
    Finished(Outcome),
    /// No supervisor ever came, and from now on none can: the script has not run.
    NotStarted,
    /// Its supervisor came, and is gone without a result: the script may have run, wholly or in part.
    Lost(Lost),
}

/// What is known of a run whose supervisor died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The system was started again since.
    pub rebooted: bool,
    /// Bytes of standard output kept until then.
    pub stdout: u64,
    /// Bytes of standard error kept until then.
    pub stderr: u64,
    /// Processes of the script that were still there and have been ended now.
    pub stopped: u64,
    /// Processes of the script that could not be ended.
    pub left: u64,
}

/// Which output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A run under way. Dropping it changes nothing about the run.
pub struct Running {
    path: PathBuf,
    supervisor: Option<Target>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("path", &self.path).field("supervisor", &self.supervisor()).finish()
    }
}

impl Running {
    pub(super) fn finished(path: &Path) -> Self {
        Self { path: path.to_owned(), supervisor: None }
    }

    /// The run's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The supervisor, to be protected from termination; `None` when it had ended before it was looked at.
    pub fn supervisor(&self) -> Option<Identity> {
        self.supervisor.as_ref().map(Target::identity)
    }

    /// Waits for the end, at most `limit`; `None` when the run is not over by then. May be called again.
    pub fn wait(&self, limit: Duration) -> Result<Option<Adopted>, Error> {
        if let Some(supervisor) = &self.supervisor
            && !supervisor.wait(limit)?
        {
            return Ok(None);
        }
        adopt(&self.path).map(Some)
    }

    /// See [`tail`].
    pub fn tail(&self, stream: Stream, offset: u64, most: usize) -> Result<Vec<u8>, Error> {
        tail(&self.path, stream, offset, most)
    }

    /// See [`cancel`].
    pub fn cancel(&self) -> Result<bool, Error> {
        cancel(&self.path)
    }
}

/// Looks at the run in `dir` and says where it stands. Settles it too: a run that no supervisor has claimed
/// can be claimed by none afterwards, and of a run whose supervisor died the processes that still carry its
/// mark in their environment are ended, with all their descendants.
pub fn adopt(path: &Path) -> Result<Adopted, Error> {
    let dir = Dir::open(path)?;
    if let Some(outcome) = dir.result()? {
        return Ok(Adopted::Finished(outcome));
    }
    let claim = match dir.claim()? {
        Some(claim) => claim,
        None if dir.make_claim(&Claim::Void)? => Claim::Void,
        None => dir.claim()?.ok_or(Error::Directory("its claim has vanished"))?,
    };
    let Claim::Supervisor { identity, boot_id } = claim else { return Ok(Adopted::NotStarted) };
    let now = crate::system::boot_id().map_err(Error::io("read the boot id"))?.to_string();
    if boot_id != now {
        return lost(&dir, true);
    }
    match Target::open(identity) {
        Ok((target, row)) if !row.is_dead() => {
            Ok(Adopted::Running(Running { path: path.to_owned(), supervisor: Some(target) }))
        }
        Ok(_) | Err(ProcessError::NoSuchProcess { .. } | ProcessError::Reused { .. }) => {
            match dir.result()? {
                // It may have finished between the first look and the second.
                Some(outcome) => Ok(Adopted::Finished(outcome)),
                None => lost(&dir, false),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Who supervises the run in `dir`, whether alive or not; `None` where nobody has claimed it in this boot.
/// Changes nothing, unlike [`adopt`]: for telling others what to leave alone.
pub fn supervisor(path: &Path) -> Result<Option<Identity>, Error> {
    let Some(Claim::Supervisor { identity, boot_id }) = Dir::open(path)?.claim()? else { return Ok(None) };
    let now = crate::system::boot_id().map_err(Error::io("read the boot id"))?.to_string();
    Ok((boot_id == now).then_some(identity))
}

/// Asks for the end of a run, also when it has not begun. The supervisor ends the script with all its
/// processes and writes the result. `false` when no supervisor lives that could.
pub fn cancel(path: &Path) -> Result<bool, Error> {
    let dir = Dir::open(path)?;
    // First on disk: a supervisor that is just starting looks here.
    dir.ask_cancel()?;
    match dir.claim()? {
        Some(Claim::Supervisor { identity, .. }) => match Target::open(identity) {
            Ok((target, row)) => Ok(!row.is_dead() && target.signal(Signal::TERM)?),
            Err(ProcessError::NoSuchProcess { .. } | ProcessError::Reused { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        },
        Some(Claim::Void) | None => Ok(false),
    }
}

/// Output kept so far: at most `most` bytes from `offset` on; empty when there is no more yet.
pub fn tail(path: &Path, stream: Stream, offset: u64, most: usize) -> Result<Vec<u8>, Error> {
    let file = Dir::open(path)?.output(stream.name());
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).and_then(|mut file| {
        file.seek(SeekFrom::Start(offset))?;
        file.take(most as u64).read_to_end(&mut bytes)
    });
    match read {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("read the output")(error))
        }
        _ => Ok(bytes),
    }
}

fn lost(dir: &Dir, rebooted: bool) -> Result<Adopted, Error> {
    let (mut stopped, mut left) = (0, 0);
    if !rebooted {
        let guard = Guard::new()?;
        for identity in marked(&dir.spec()?.run)? {
            match terminate_tree(identity, Scope::Tree, END_LIMIT, &guard) {
                Ok(done) => {
                    stopped += done.ended - done.left.len() as u64;
                    left += done.left.len() as u64;
                }
                // Ended with one before it.
                Err(
                    ProcessError::NoSuchProcess { .. }
                    | ProcessError::Reused { .. }
                    | ProcessError::Zombie { .. },
                ) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let kept = |stream: Stream| std::fs::metadata(dir.output(stream.name())).map_or(0, |about| about.len());
    let (stdout, stderr) = (kept(Stream::Stdout), kept(Stream::Stderr));
    Ok(Adopted::Lost(Lost { rebooted, stdout, stderr, stopped, left }))
}

/// Processes that carry the run's mark. One that has emptied its environment is not found.
fn marked(run: &str) -> Result<Vec<Identity>, Error> {
    let mark = format!("QUELL_RUN={run}");
    let mut found = Vec::new();
    for row in rows()? {
        let Some(proc) = Proc::open(row.pid)? else { continue };
        let Ok(file) = proc.open_at("environ", OFlags::RDONLY) else { continue };
        let mut environ = Vec::new();
        let read = std::fs::File::from(file).take(ENVIRON_CAP).read_to_end(&mut environ);
        if read.is_ok() && environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()) {
            found.push(row.identity());
        }
    }
    Ok(found)
}
