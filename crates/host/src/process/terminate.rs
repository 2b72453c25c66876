//! Ending one process: open a pidfd, prove that it is the one that was meant, signal, watch it go.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use rustix::time::Timespec;
use serde::{Deserialize, Serialize};

use super::procfs::denied;
use super::{Error, Guard, Identity, Row, State, row};

/// How patient [`terminate`] is.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// `None`: killed at once, which is what containment wants. Otherwise asked first (SIGTERM), and
    /// killed when this time is over.
    pub grace: Option<Duration>,
    /// How long to wait for the end after the kill.
    pub wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { grace: None, wait: Duration::from_secs(5) }
    }
}

/// How a process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It ended by itself between the check and the signal.
    AlreadyGone,
    /// It ended after SIGTERM, within the grace.
    Asked,
    /// SIGKILL.
    Killed,
}

/// A process that was seen to end: its pidfd became readable, so every thread of it has exited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminated {
    /// Which process.
    pub identity: Identity,
    /// By what.
    pub how: How,
}

/// A process held by pidfd, known to be the one that was meant.
pub(crate) struct Target {
    fd: OwnedFd,
    identity: Identity,
}

impl Target {
    /// Opens first and compares afterwards. If the pid had changed hands in between, the pidfd would hold
    /// the earlier, ended process, and no signal through it can reach the later one.
    pub fn open(identity: Identity) -> Result<(Self, Row), Error> {
        let Identity { pid, start_time: expected } = identity;
        let gone = Error::NoSuchProcess { pid };
        let raw = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let Some(raw) = raw else { return Err(gone) };
        let fd = match pidfd_open(raw, PidfdFlags::empty()) {
            Ok(fd) => fd,
            // EINVAL: the number belongs to a thread that leads no process.
            Err(Errno::SRCH | Errno::INVAL) => return Err(gone),
            Err(errno) => return Err(denied(pid, "open a handle", errno)),
        };
        let Some(row) = row(pid)? else { return Err(gone) };
        if row.start_time != expected {
            return Err(Error::Reused { pid, expected, found: row.start_time });
        }
        Ok((Self { fd, identity }, row))
    }

    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// `false` when it had ended already.
    pub fn signal(&self, signal: Signal) -> Result<bool, Error> {
        match pidfd_send_signal(&self.fd, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(errno) => Err(denied(self.identity.pid, "signal the end", errno)),
        }
    }

    /// Waits until every thread of it has exited, or the time is over.
    pub fn wait(&self, limit: Duration) -> Result<bool, Error> {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 });
            let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) if Instant::now() >= until => return Ok(false),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(errno) => return Err(denied(self.identity.pid, "await the end", errno)),
            }
        }
    }
}

/// A process that was killed, and may not have ended yet.
pub struct Dying {
    target: Target,
    sent: bool,
}

impl std::fmt::Debug for Dying {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Dying({})", self.target.identity.pid)
    }
}

impl Dying {
    /// Waits until it is gone, as [`terminate`] does.
    pub fn wait(&self, limit: Duration) -> Result<Terminated, Error> {
        let how = gone(&self.target, self.sent, limit)?;
        Ok(Terminated { identity: self.target.identity, how })
    }
}

/// Kills one process and waits for nothing. Refuses what [`terminate`] refuses.
pub fn kill(identity: Identity, guard: &Guard) -> Result<Dying, Error> {
    let target = checked(identity, guard)?;
    let sent = target.signal(Signal::KILL)?;
    Ok(Dying { target, sent })
}

/// Ends one process and waits until it is gone.
///
/// Refuses, before any signal: a pid that changed hands, what the guard protects, and zombies.
pub fn terminate(identity: Identity, options: Options, guard: &Guard) -> Result<Terminated, Error> {
    let target = checked(identity, guard)?;
    let how = end(&target, options)?;
    Ok(Terminated { identity, how })
}

fn checked(identity: Identity, guard: &Guard) -> Result<Target, Error> {
    let pid = identity.pid;
    if pid <= 1 {
        return Err(Error::Protected { pid, why: super::Protection::Init });
    }
    let (target, row) = Target::open(identity)?;
    guard.check(&row)?;
    if row.is_dead() {
        return Err(Error::Zombie { pid });
    }
    Ok(target)
}

fn end(target: &Target, options: Options) -> Result<How, Error> {
    if let Some(grace) = options.grace {
        if !target.signal(Signal::TERM)? {
            return Ok(How::AlreadyGone);
        }
        if target.wait(grace)? {
            return Ok(How::Asked);
        }
    }
    let sent = target.signal(Signal::KILL)?;
    let how = gone(target, sent, options.wait)?;
    Ok(if !sent && options.grace.is_some() { How::Asked } else { how })
}

/// Waits after the kill.
fn gone(target: &Target, sent: bool, limit: Duration) -> Result<How, Error> {
    if target.wait(limit)? {
        return Ok(if sent { How::Killed } else { How::AlreadyGone });
    }
    let pid = target.identity.pid;
    let state = row(pid)?.map_or(State::Other, |row| row.state);
    Err(Error::Survived { pid, state })
}
