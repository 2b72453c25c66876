//! The supervisor's side: its whole life, from the claim to the result.
//!
//! It leaves the agent's session, becomes a child subreaper, so that whatever the script detaches comes back
//! to it, claims the run on disk, and only then starts the script. It ends when no process of the script is
//! left; should it be killed itself, the kernel kills the script's first process with it, and [`super::adopt`]
//! ends the others.

use std::io::{self, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, setrlimit};
use rustix::time::Timespec;
use sha2::{Digest, Sha256};

use super::dir::{Claim, Dir, Spec};
use super::spawn::READY;
use super::stream::Capture;
use super::{Ended, Error, Outcome};
use crate::process::{Identity, end_descendants, tree};
use crate::signals;

/// How often the number of processes is looked at, where it is limited.
const COUNT_EVERY: Duration = Duration::from_millis(100);
/// How long ending all that is left may take.
const END_LIMIT: Duration = Duration::from_secs(20);
/// How long output may still come after the last process: it can only come from a pipe handed to a stranger.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs the script of the run in `dir` to its end. For a process of its own, which must have done nothing but
/// start: the whole process changes its session, signals and parenthood. Returns its exit code: 0 when a
/// result was written, whatever the script did.
pub fn supervise(dir: &Path) -> i32 {
    match run(dir) {
        Ok(()) => 0,
        Err(error) => {
            // Read by the agent that waits for the claim, if there is one.
            let _ = writeln!(io::stdout(), "{error}");
            1
        }
    }
}

fn run(path: &Path) -> Result<(), Error> {
    let dir = Dir::open(path)?;
    let spec = dir.spec()?;
    // It was started as /proc/self/exe, and would be listed as `exe`.
    let _ = rustix::thread::set_name(c"quell-script");
    // Fails only for a group leader, which has left the agent's group already.
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|errno| Error::io("become the parent of detached processes")(errno.into()))?;
    let signals = signals().map_err(Error::io("take signals"))?;
    let boot_id = crate::system::boot_id().map_err(Error::io("read the boot id"))?.to_string();
    if !dir.make_claim(&Claim::Supervisor { identity: Identity::own()?, boot_id })? {
        return Err(Error::Exists);
    }
    report_ready();
    let outcome = match Run::start(&dir, &spec, signals) {
        Ok(run) => run.complete(&dir)?,
        Err(error) => not_started(&error),
    };
    dir.finish(&outcome)
}

/// Tells the agent, and lets go of its pipe.
fn report_ready() {
    let mut out = io::stdout();
    let _ = out.write_all(READY).and_then(|()| out.flush());
    if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

fn not_started(error: &Error) -> Outcome {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    let nothing = || super::Output { seen: 0, kept: 0, sha256: crate::hex(&Sha256::digest(b"")) };
    let ended = Ended::NotStarted { reason };
    Outcome { ended, duration_ms: 0, stdout: nothing(), stderr: nothing(), stopped: 0, left: 0 }
}

struct Run<'a> {
    spec: &'a Spec,
    script: Pid,
    signals: OwnedFd,
    started: Instant,
    stdout: Capture,
    stderr: Capture,
    status: Option<WaitStatus>,
}

impl<'a> Run<'a> {
    fn start(dir: &Dir, spec: &'a Spec, signals: OwnedFd) -> Result<Self, Error> {
        let body = dir.read_body(spec.interpreter)?;
        if <[u8; 32]>::from(Sha256::digest(&body)) != spec.sha256 {
            return Err(Error::Digest);
        }
        let started = Instant::now();
        let mut child = command(dir, spec)?.spawn().map_err(Error::io("start the interpreter"))?;
        let lost = || Error::Supervisor("a pipe is missing".into());
        let capture = |pipe: OwnedFd, name: &str| {
            let opened = Capture::new(pipe, &dir.output(name), spec.limits.output);
            opened.map_err(Error::io("open the output's file"))
        };
        let stdout = capture(child.stdout.take().ok_or_else(lost)?.into(), "stdout");
        let stderr = capture(child.stderr.take().ok_or_else(lost)?.into(), "stderr");
        let script = Pid::from_child(&child);
        match (stdout, stderr) {
            (Ok(stdout), Ok(stderr)) => {
                Ok(Self { spec, script, signals, started, stdout, stderr, status: None })
            }
            (Err(error), _) | (_, Err(error)) => {
                let _ = end_descendants(END_LIMIT, &mut || {
                    let _ = collect(script);
                });
                Err(error)
            }
        }
    }

    fn complete(mut self, dir: &Dir) -> Result<Outcome, Error> {
        let limit = self.watch(dir);
        let (script, mut status) = (self.script, self.status);
        let ended = end_descendants(END_LIMIT, &mut || {
            // Nothing may block on a full pipe while it is being ended, and nothing stay as a zombie.
            self.stdout.drain();
            self.stderr.drain();
            status = status.or(collect(script));
        })?;
        status = status.or(collect(script));
        let duration_ms = self.started.elapsed().as_millis() as u64;
        self.drain_rest();
        let write = Error::io("write the output");
        let (stdout, stderr) = match (self.stdout.finish(), self.stderr.finish()) {
            (Ok(stdout), Ok(stderr)) => (stdout, stderr),
            (Err(error), _) | (_, Err(error)) => return Err(write(error)),
        };
        let ended_by = limit.unwrap_or_else(|| by_itself(status));
        let (stopped, left) = (ended.ended, ended.left.len() as u64);
        Ok(Outcome { ended: ended_by, duration_ms, stdout, stderr, stopped, left })
    }

    /// Until the script's first process ends (`None`) or something ends the run.
    fn watch(&mut self, dir: &Dir) -> Option<Ended> {
        let limits = self.spec.limits;
        let until = self.started + limits.time;
        let mut count_at = limits.processes.map(|_| self.started + COUNT_EVERY);
        loop {
            self.stdout.drain();
            self.stderr.drain();
            if dir.is_canceled() {
                return Some(Ended::Canceled);
            }
            self.status = self.status.or(collect(self.script));
            if self.status.is_some() {
                return None;
            }
            let now = Instant::now();
            if now >= until {
                return Some(Ended::TimedOut);
            }
            if let (Some(most), Some(at)) = (limits.processes, count_at)
                && now >= at
            {
                let seen = Identity::own().and_then(tree).map_or(0, |below| below.len() as u32);
                if seen > most {
                    return Some(Ended::TooManyProcesses { seen });
                }
                count_at = Some(Instant::now() + COUNT_EVERY);
            }
            let next = count_at.map_or(until, |at| at.min(until));
            if self.wait(next.saturating_duration_since(now)) {
                return Some(Ended::Canceled);
            }
        }
    }

    /// Until there is output, a signal, or nothing for this long. `true`: told to end.
    fn wait(&self, limit: Duration) -> bool {
        let timeout = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 });
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        for pipe in [self.stdout.pipe(), self.stderr.pipe()].into_iter().flatten() {
            fds.push(PollFd::new(pipe, PollFlags::IN));
        }
        let _ = poll(&mut fds, Some(&timeout));
        let mut told = false;
        let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
        while rustix::io::read(&self.signals, &mut info).is_ok_and(|n| n == info.len()) {
            // ssi_signo is the first field, 32 bits, in the machine's order (signalfd(2)).
            let number = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            told |= number != libc::SIGCHLD as u32;
        }
        told
    }

    fn drain_rest(&mut self) {
        let until = Instant::now() + DRAIN_LIMIT;
        while self.stdout.pipe().is_some() || self.stderr.pipe().is_some() {
            self.stdout.drain();
            self.stderr.drain();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.wait(left.min(Duration::from_millis(20)));
        }
    }
}

fn by_itself(status: Option<WaitStatus>) -> Ended {
    match (status.and_then(WaitStatus::exit_status), status.and_then(WaitStatus::terminating_signal)) {
        (Some(code), _) => Ended::Exited { code },
        (None, signal) => Ended::Signaled { signal: signal.unwrap_or(0) },
    }
}

/// Collects every ended child, and gives the status of the script's first process when it was among them.
fn collect(script: Pid) -> Option<WaitStatus> {
    let mut status = None;
    while let Ok(Some((pid, ended))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == script {
            status = Some(ended);
        }
    }
    status
}

fn command(dir: &Dir, spec: &Spec) -> Result<Command, Error> {
    let root = rustix::process::geteuid().is_root();
    let work = dir.work();
    let mut command = Command::new(spec.interpreter.find()?);
    command
        .args(spec.interpreter.flags())
        .arg(dir.body(spec.interpreter))
        .args(&spec.args)
        .env_clear()
        .envs(&spec.env)
        .envs([
            ("PATH", PATH),
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
            ("HOME", if root { "/root" } else { "/" }),
        ])
        .env("TMPDIR", &work)
        .env("QUELL_RUN", &spec.run)
        .current_dir(spec.cwd.as_ref().unwrap_or(&work))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let limits = spec.limits;
    // SAFETY: between fork and exec only system calls are made, no memory is allocated and no lock taken.
    unsafe { command.pre_exec(move || confine(limits).map_err(io::Error::from)) };
    Ok(command)
}

/// In the child, before the interpreter: limits, a session of its own, and nothing inherited.
fn confine(limits: super::Limits) -> rustix::io::Result<()> {
    signals::by_default();
    rustix::process::setsid()?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let both = |value: u64| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::Core, both(0))?;
    if let Some(bytes) = limits.memory {
        setrlimit(Resource::As, both(bytes))?;
    }
    if let Some(time) = limits.cpu {
        setrlimit(Resource::Cpu, both(time.as_secs().max(1)))?;
    }
    // The script is what the kernel should take first when memory ends, not the agent.
    let score = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC;
    if let Ok(file) = rustix::fs::open(c"/proc/self/oom_score_adj", score, rustix::fs::Mode::empty()) {
        let _ = rustix::io::write(file, b"500");
    }
    // SAFETY: both calls only read and write `none`, which lives here. The mask was the supervisor's, for its
    // signalfd. Descriptors are marked, not closed: the one that reports a failed exec is still needed.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
    }
    Ok(())
}

/// Child ends and requests to end, as readable events instead of interruptions.
fn signals() -> io::Result<OwnedFd> {
    // SAFETY: `set` is initialised by sigemptyset before it is used and outlives the calls, which only read
    // it; the descriptor that signalfd returns is new and owned by nobody else.
    let fd = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            libc::sigaddset(&raw mut set, signal);
        }
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(fd)
    };
    Ok(fd)
}
