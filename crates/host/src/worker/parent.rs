//! The parent's side: start, ask, wait within a limit, and the end of the process in every case.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use rustix::time::Timespec;

use super::child::{Begin, Ready};
use super::frame::{self, Incoming, Step};
use super::{Failure, Launcher};
use crate::confine::{Confined, Limits};

/// From the start to the first answer. A busy machine may take its time.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Between looks at whether to stop.
const LOOK: Duration = Duration::from_millis(50);
/// A worker whose line ended has this long to be dead by itself.
const END_LIMIT: Duration = Duration::from_secs(2);
/// The stack of a thread that waits for the end of one that stands in the kernel. Bytes.
const BURY: usize = 64 << 10;
/// Of its last words. Bytes.
const WORDS: usize = 2 << 10;
/// What the standard library says when there is no memory.
const NO_MEMORY: &str = "memory allocation of";

/// A confined process. Dropping it ends it.
///
/// It belongs to the thread that started it: the kernel ends it with that thread, so that it never outlives the agent.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    pidfd: OwnedFd,
    socket: OwnedFd,
    stderr: Option<OwnedFd>,
    words: Vec<u8>,
    limits: Limits,
    confined: Confined,
    incoming: Incoming,
    ended: Option<ExitStatus>,
    /// It did not end when it was killed.
    is_left: bool,
    /// Not `Send`: `PR_SET_PDEATHSIG` looks at the thread, not the process.
    here: PhantomData<*const ()>,
}

impl Worker {
    /// Starts a worker and waits until it is confined.
    pub fn start(launcher: &Launcher, limits: Limits) -> Result<Self, Failure> {
        let start = |error: io::Error| Failure::Start(error);
        let flags = SocketFlags::CLOEXEC;
        let (socket, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .map_err(|errno| start(errno.into()))?;
        rustix::io::ioctl_fionbio(&socket, true).map_err(|errno| start(errno.into()))?;
        let mut child = Command::new(&launcher.program)
            .args(&launcher.args)
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let stderr = child.stderr.take().map(OwnedFd::from);
        // Not reaped yet, so the pid is its own.
        let pidfd = match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(errno) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(start(errno.into()));
            }
        };
        let confined =
            Confined { profile: crate::confine::Profile::Sealed, landlock: None, warnings: Vec::new() };
        let mut worker = Self {
            child,
            pidfd,
            socket,
            stderr,
            words: Vec::new(),
            limits,
            confined,
            incoming: Incoming::default(),
            ended: None,
            is_left: false,
            here: PhantomData,
        };
        worker.confined = worker.begin()?;
        Ok(worker)
    }

    fn begin(&mut self) -> Result<Confined, Failure> {
        let begin =
            serde_json::to_vec(&Begin { limits: self.limits }).map_err(|e| Failure::Line(e.into()))?;
        let answer = self.call(&begin, &[], START_LIMIT, || false)?;
        match serde_json::from_slice(&answer) {
            Ok(Ready::Confined(confined)) => Ok(confined),
            Ok(Ready::Refused(why)) => Err(Failure::Unconfined(why)),
            Err(error) => Err(self.reject(error.to_string())),
        }
    }

    /// How it is confined.
    pub fn confined(&self) -> &Confined {
        &self.confined
    }

    /// Its process id, while it is there.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One question, one answer. After any failure the worker is gone.
    pub fn call(
        &mut self,
        body: &[u8],
        descriptors: &[BorrowedFd<'_>],
        limit: Duration,
        stop: impl Fn() -> bool,
    ) -> Result<Vec<u8>, Failure> {
        let until = Instant::now() + limit;
        self.write(body, descriptors, until, limit, &stop)?;
        self.read(until, limit, &stop)
    }

    /// A question; answers are fetched by [`Self::receive`].
    pub fn send(
        &mut self,
        body: &[u8],
        descriptors: &[BorrowedFd<'_>],
        limit: Duration,
        stop: impl Fn() -> bool,
    ) -> Result<(), Failure> {
        self.write(body, descriptors, Instant::now() + limit, limit, &stop)
    }

    /// The next message.
    pub fn receive(&mut self, limit: Duration, stop: impl Fn() -> bool) -> Result<Vec<u8>, Failure> {
        self.read(Instant::now() + limit, limit, &stop)
    }

    /// Ends the worker because it sent what is no answer.
    pub fn reject(&mut self, what: impl Into<String>) -> Failure {
        self.kill();
        Failure::Garbled(what.into())
    }

    fn write(
        &mut self,
        body: &[u8],
        descriptors: &[BorrowedFd<'_>],
        until: Instant,
        limit: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        let head = frame::head(body, descriptors.len()).map_err(Failure::Line)?;
        let mut sent = 0;
        let total = head.len() + body.len();
        while sent < total {
            let went = match sent {
                0 => frame::send_head(self.socket.as_fd(), &head, descriptors),
                _ if sent < head.len() => frame::send_some(self.socket.as_fd(), &head[sent..]),
                _ => frame::send_some(self.socket.as_fd(), &body[sent - head.len()..]),
            };
            match went {
                Ok(more) => sent += more,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT, until, limit, stop)?,
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(self.end()),
                Err(errno) => {
                    self.kill();
                    return Err(Failure::Line(errno.into()));
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, until: Instant, limit: Duration, stop: &dyn Fn() -> bool) -> Result<Vec<u8>, Failure> {
        loop {
            // What a worker sends along is closed at once.
            match self.incoming.step(self.socket.as_fd(), &mut Vec::new()) {
                Ok(Step::More) | Err(Errno::INTR) => {}
                Ok(Step::Whole(body)) => return Ok(body),
                Ok(Step::End { .. }) | Err(Errno::CONNRESET) => return Err(self.end()),
                Ok(Step::TooLong(length)) => return Err(self.reject(format!("a message of {length} bytes"))),
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, until, limit, stop)?,
                Err(errno) => {
                    self.kill();
                    return Err(Failure::Line(errno.into()));
                }
            }
            // A worker that trickles is late as well.
            if Instant::now() >= until {
                self.kill();
                return Err(Failure::Time { limit });
            }
        }
    }

    /// Until the line is ready, or nothing more is to be waited for.
    fn wait(
        &mut self,
        flags: PollFlags,
        until: Instant,
        limit: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        loop {
            if stop() {
                self.kill();
                return Err(Failure::Canceled);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.kill();
                return Err(Failure::Time { limit });
            }
            let mut fds = vec![PollFd::new(&self.socket, flags)];
            if let Some(stderr) = &self.stderr {
                fds.push(PollFd::new(stderr, PollFlags::IN));
            }
            let timeout =
                Timespec::try_from(left.min(LOOK)).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 50_000_000 });
            let _ = poll(&mut fds, Some(&timeout));
            let ready = !fds[0].revents().is_empty();
            let words = fds.get(1).is_some_and(|fd| !fd.revents().is_empty());
            if words {
                self.listen();
            }
            if ready {
                return Ok(());
            }
        }
    }

    /// Reads what it says on standard error; keeps the end of it.
    fn listen(&mut self) {
        let Some(stderr) = &self.stderr else { return };
        let mut buffer = [0; WORDS];
        match rustix::io::read(stderr, &mut buffer) {
            Ok(0) => self.stderr = None,
            Ok(read) => {
                self.words.extend_from_slice(&buffer[..read]);
                let over = self.words.len().saturating_sub(WORDS);
                self.words.drain(..over);
            }
            Err(_) => {}
        }
    }

    /// The line ended: the worker is dead, or about to be.
    fn end(&mut self) -> Failure {
        let by_itself = self.await_end(END_LIMIT);
        self.kill();
        // The pipe's other end is closed by now, so this ends.
        for _ in 0..64 {
            if self.stderr.is_none() || self.is_left {
                break;
            }
            self.listen();
        }
        let words: String =
            String::from_utf8_lossy(&self.words).trim().chars().filter(|c| !c.is_control()).collect();
        if !by_itself {
            return Failure::Garbled("the end of the line".to_owned());
        }
        let status = self.ended.unwrap_or_default();
        let signal = status.signal().and_then(Signal::from_named_raw);
        match signal {
            Some(Signal::XCPU) => Failure::Time { limit: self.limits.cpu },
            Some(Signal::ABORT) if words.contains(NO_MEMORY) => Failure::Memory { limit: self.limits.memory },
            _ => Failure::Crashed { how: describe(status, &words), signal: status.signal() },
        }
    }

    fn await_end(&mut self, limit: Duration) -> bool {
        let timeout = Timespec::try_from(limit).unwrap_or_default();
        let _ = poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], Some(&timeout));
        if let Ok(Some(status)) = self.child.try_wait() {
            self.ended = Some(status);
        }
        self.ended.is_some()
    }

    fn kill(&mut self) {
        if self.ended.is_some() || self.is_left {
            return;
        }
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        if !self.await_end(END_LIMIT) {
            self.leave();
        }
    }

    /// Gives up a worker that does not end: it stands in the kernel, which waits for a device or for a file system that
    /// does not answer. It holds nothing of this process, and is buried whenever it ends.
    fn leave(&mut self) {
        self.is_left = true;
        let pid = self.child.id();
        tracing::warn!(pid, "a worker that was ended stands in the kernel; it is left to itself");
        let Ok(pidfd) = self.pidfd.try_clone() else { return };
        let bury = move || {
            let end = WaitId::PidFd(pidfd.as_fd());
            while matches!(waitid(end.clone(), WaitIdOptions::EXITED), Err(Errno::INTR)) {}
        };
        let buried = std::thread::Builder::new().name("bury".to_owned()).stack_size(BURY).spawn(bury);
        if let Err(error) = buried {
            tracing::warn!(pid, %error, "nobody waits for its end");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn describe(status: ExitStatus, words: &str) -> String {
    let how = match (status.signal(), status.code()) {
        (Some(libc::SIGSYS), _) => "SIGSYS: a system call that is forbidden to it".to_owned(),
        (Some(libc::SIGSEGV), _) => "SIGSEGV: a bad memory access".to_owned(),
        (Some(libc::SIGBUS), _) => "SIGBUS: a file that was cut short while it was read".to_owned(),
        (Some(libc::SIGKILL), _) => "SIGKILL from outside, perhaps for want of memory".to_owned(),
        (Some(libc::SIGABRT), _) => "SIGABRT: it gave up".to_owned(),
        (Some(signal), _) => format!("signal {signal}"),
        (None, code) => format!("exit code {}", code.unwrap_or(-1)),
    };
    if words.is_empty() { how } else { format!("{how} ({words})") }
}
