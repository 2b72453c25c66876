//! The agent's side of the guard: starts its process, pings it, ends it when it is silent, starts it again.
//!
//! A thread of its own does that, so that nothing else of the agent can keep it from it. It counts its own turns and not
//! the time: a machine that slept, or an agent that was stopped itself, is not held against the guard.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::Timespec;

use super::{Ask, Counts, Rules, Settings, Tell};
use crate::script::Launcher;

/// Between two pings.
const PING: Duration = Duration::from_millis(500);
/// Pings without an answer after which the guard is ended.
const SILENT: u32 = 3;
/// Before a guard that ended is started again: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_mins(1));
/// A guard that lived for this long was well.
const WELL: Duration = Duration::from_mins(1);
/// For a guard that was killed to be gone. One that the kernel holds is left to itself.
const DYING: Duration = Duration::from_secs(2);
/// Guards that the kernel holds, beside which another one is begun.
const MOST_STUCK: u64 = 2;
/// Lines that are longer are no guard's. Bytes.
const LONGEST: usize = 64 << 10;
const STACK: usize = 256 << 10;

/// Why rules are not in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It cannot work here.
    #[error("the guard cannot work here: {0}")]
    Broken(String),
    /// It did not confirm in time.
    #[error("the guard did not confirm the rules in time")]
    Late,
}

/// How the guard stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// A guard runs, with the newest rules.
    pub live: bool,
    /// File systems (or mounts) that it watches.
    pub watched: u64,
    /// Those that it cannot watch, and why; the first few.
    pub unwatched: Vec<String>,
    /// Files that were marked by path when the rules came.
    pub marked: u64,
    /// How often it had to be started again since it was first needed.
    pub restarts: u64,
    /// The last trouble, in words.
    pub problem: Option<String>,
    /// What the present one did.
    pub counts: Counts,
}

/// What the agent hears of a guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Its own words: hits, what ran unchecked, overflow.
    Told(Tell),
    /// It is gone, or was ended: until it is back, everything runs.
    Gone {
        /// Why.
        why: String,
        /// How long it had run, milliseconds.
        after_ms: u64,
    },
    /// It was killed and does not go: the kernel holds it, in a file system that does not answer. What waits for its verdicts
    /// waits on.
    Stuck {
        /// Its process.
        pid: u32,
    },
    /// It is back, with all rules.
    Back {
        /// Since it was gone, milliseconds.
        gone_ms: u64,
    },
}

type Tells = dyn Fn(News) + Send + Sync;

struct State {
    rules: Rules,
    generation: u64,
    applied: u64,
    broken: Option<(u64, String)>,
    standing: Standing,
    running: bool,
}

struct Shared {
    launcher: Launcher,
    settings: Settings,
    tell: Box<Tells>,
    state: Mutex<State>,
    changed: Condvar,
    wake: OwnedFd,
    /// Guards that were killed and are not gone.
    stuck: Arc<AtomicU64>,
}

/// Keeps a guard while there are rules. Cheap to clone; the guard ends with the process that holds this.
#[derive(Clone)]
pub struct Sentry(Arc<Shared>);

impl std::fmt::Debug for Sentry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sentry({:?})", self.standing())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sentry {
    /// Nothing runs before there are rules. `tell` is called on the sentry's own thread and must not wait.
    pub fn new(
        launcher: Launcher,
        settings: Settings,
        tell: impl Fn(News) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let state = State {
            rules: Rules::default(),
            generation: 0,
            applied: 0,
            broken: None,
            standing: Standing::default(),
            running: false,
        };
        Ok(Self(Arc::new(Shared {
            launcher,
            settings,
            tell: Box::new(tell),
            state: Mutex::new(state),
            changed: Condvar::new(),
            wake,
            stuck: Arc::default(),
        })))
    }

    /// How it stands now.
    pub fn standing(&self) -> Standing {
        self.0.state().standing.clone()
    }

    /// Puts these rules in force in place of the ones before, and waits until they are. Without rules the guard ends.
    pub fn apply(&self, rules: Rules, limit: Duration) -> Result<Standing, Error> {
        let shared = &self.0;
        let mut state = shared.state();
        let is_empty = rules.is_empty();
        state.rules = rules;
        state.generation += 1;
        state.broken = None;
        let mine = state.generation;
        if !is_empty && !state.running {
            state.running = true;
            let held = shared.clone();
            let thread = std::thread::Builder::new().name("guard".into()).stack_size(STACK);
            if let Err(error) = thread.spawn(move || keep(&held)) {
                state.running = false;
                return Err(Error::Broken(error.to_string()));
            }
        }
        // A counter of a few; it cannot be full.
        let _ = rustix::io::write(&shared.wake, &1_u64.to_ne_bytes());
        let late = Instant::now() + limit;
        loop {
            let is_done = if is_empty { !state.running } else { state.applied >= mine };
            if is_done {
                return Ok(state.standing.clone());
            }
            if let Some((generation, problem)) = &state.broken
                && *generation >= mine
            {
                return Err(Error::Broken(problem.clone()));
            }
            let left = late.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Late);
            }
            state = shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// One guard after the other, while there are rules.
fn keep(shared: &Shared) {
    let mut pause = PAUSE.0;
    let mut gone: Option<Instant> = None;
    loop {
        let begun = Instant::now();
        let end = match Running::start(shared) {
            Ok(mut running) => {
                let end = running.serve(shared, &mut gone);
                if let Some(pid) = running.end(&shared.stuck) {
                    (shared.tell)(News::Stuck { pid });
                }
                end
            }
            Err(error) => End::Gone(format!("it cannot be started: {error}")),
        };
        let lived = begun.elapsed();
        let mut state = shared.state();
        state.standing.live = false;
        let End::Gone(why) = end else {
            if !state.rules.is_empty() {
                // Rules came while it ended.
                drop(state);
                continue;
            }
            state.running = false;
            state.standing = Standing::default();
            shared.changed.notify_all();
            return;
        };
        state.standing.restarts += 1;
        state.standing.problem = Some(why.clone());
        state.broken = Some((state.generation, why.clone()));
        shared.changed.notify_all();
        drop(state);
        if gone.is_none() {
            gone = Some(Instant::now());
            (shared.tell)(News::Gone { why, after_ms: millis(lived) });
        }
        pause = if lived > WELL { PAUSE.0 } else { (pause * 2).min(PAUSE.1) };
        // Woken by new rules, which may be none.
        wait(&[&shared.wake], pause);
        clear(&shared.wake);
        if shared.state().rules.is_empty() {
            let mut state = shared.state();
            state.running = false;
            state.standing = Standing::default();
            shared.changed.notify_all();
            return;
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

enum End {
    /// There are no rules any more.
    Unneeded,
    /// It died, or was ended.
    Gone(String),
}

struct Running {
    child: Child,
    input: Option<std::process::ChildStdin>,
    output: File,
    bytes: Vec<u8>,
    /// What the pipe did not take yet.
    unsent: VecDeque<u8>,
    sent: u64,
}

impl Running {
    fn start(shared: &Shared) -> io::Result<Self> {
        let stuck = shared.stuck.load(Ordering::Relaxed);
        if stuck >= MOST_STUCK {
            return Err(io::Error::other(format!("{stuck} killed guards are held by the kernel")));
        }
        let mut child = Command::new(&shared.launcher.program)
            .arg0("quell-agent")
            .args(&shared.launcher.args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        rustix::io::ioctl_fionbio(&input, true)?;
        let output = File::from(OwnedFd::from(output));
        rustix::io::ioctl_fionbio(&output, true)?;
        let mut running =
            Self { child, input: Some(input), output, bytes: Vec::new(), unsent: VecDeque::new(), sent: 0 };
        running.queue(&shared.settings)?;
        Ok(running)
    }

    fn queue(&mut self, line: &impl serde::Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.unsent.extend(bytes);
        self.push()
    }

    /// Sends what the pipe takes; a guard that reads nothing is not waited for.
    fn push(&mut self) -> io::Result<()> {
        let Some(input) = &mut self.input else { return Ok(()) };
        while !self.unsent.is_empty() {
            match input.write(self.unsent.as_slices().0) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Until it is not needed, gone, or silent.
    fn serve(&mut self, shared: &Shared, gone: &mut Option<Instant>) -> End {
        let (mut number, mut silent) = (0_u64, 0);
        let mut next = Instant::now() + PING;
        loop {
            if let Err(error) = self.follow(shared).and_then(|()| self.push()) {
                return End::Gone(format!("it takes no rules: {error}"));
            }
            if shared.state().rules.is_empty() {
                return End::Unneeded;
            }
            let left = next.saturating_duration_since(Instant::now());
            // What waits to be sent goes soon, without a poll of its own.
            let left = if self.unsent.is_empty() { left } else { left.min(Duration::from_millis(5)) };
            wait(&[&self.output.as_fd(), &shared.wake.as_fd()], left);
            clear(&shared.wake);
            match self.take() {
                Ok(lines) => {
                    for tell in lines {
                        match tell {
                            Tell::Pong { number: of, counts } => {
                                if of == number {
                                    silent = 0;
                                }
                                shared.state().standing.counts = counts;
                            }
                            Tell::Broken { problem } => return End::Gone(problem),
                            tell => heard(shared, tell, gone),
                        }
                    }
                }
                Err(error) => return End::Gone(format!("it ended: {error}")),
            }
            if Instant::now() >= next {
                next = Instant::now() + PING;
                if silent >= SILENT {
                    return End::Gone("it did not answer any more and was ended".to_owned());
                }
                number += 1;
                silent += 1;
                if self.queue(&Ask::Ping { number }).is_err() {
                    return End::Gone("it ended".to_owned());
                }
            }
        }
    }

    /// Hands newer rules over.
    fn follow(&mut self, shared: &Shared) -> io::Result<()> {
        let (generation, rules) = {
            let state = shared.state();
            if state.generation == self.sent || state.rules.is_empty() {
                return Ok(());
            }
            (state.generation, state.rules.clone())
        };
        self.sent = generation;
        self.queue(&Ask::Rules { generation, rules })
    }

    fn take(&mut self) -> io::Result<Vec<Tell>> {
        let mut buffer = [0; 8 << 10];
        let mut lines = Vec::new();
        let mut is_over = false;
        loop {
            match self.output.read(&mut buffer) {
                Ok(0) => {
                    is_over = true;
                    break;
                }
                Ok(count) => self.bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let rest = self.bytes.split_off(end + 1);
                let line = std::mem::replace(&mut self.bytes, rest);
                lines.push(serde_json::from_slice(&line)?);
            }
            if self.bytes.len() > LONGEST {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        // Its last words come before its end.
        if is_over && lines.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(lines) }
    }

    /// Ends it, however it is: also one that was stopped. Where it does not go, it is left to a thread that waits for it;
    /// then its process.
    fn end(mut self, stuck: &Arc<AtomicU64>) -> Option<u32> {
        drop(self.input.take());
        // Gone already is as good.
        let _ = self.child.kill();
        let late = Instant::now() + DYING;
        while Instant::now() < late {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let (mut child, count) = (self.child, stuck.clone());
        let pid = child.id();
        count.fetch_add(1, Ordering::Relaxed);
        // Where there is no thread, it stays as it is until the agent ends.
        let reaper = std::thread::Builder::new().name("guard-reaper".into()).stack_size(STACK);
        let _ = reaper.spawn(move || {
            let _ = child.wait();
            count.fetch_sub(1, Ordering::Relaxed);
        });
        Some(pid)
    }
}

fn heard(shared: &Shared, tell: Tell, gone: &mut Option<Instant>) {
    let Tell::Applied { generation, watched, unwatched, marked } = tell else {
        (shared.tell)(News::Told(tell));
        return;
    };
    let mut state = shared.state();
    state.applied = state.applied.max(generation);
    let standing = &mut state.standing;
    standing.live = true;
    (standing.watched, standing.unwatched, standing.marked) = (watched, unwatched, marked);
    standing.problem = None;
    shared.changed.notify_all();
    drop(state);
    if let Some(since) = gone.take() {
        (shared.tell)(News::Back { gone_ms: millis(since.elapsed()) });
    }
}

fn wait(fds: &[&dyn AsFd], limit: Duration) {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)).collect();
    let limit = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: i64::from(limit.subsec_nanos()) };
    // Interrupted or not: the caller looks at everything again.
    let _ = poll(&mut polled, Some(&limit));
}

fn clear(wake: &OwnedFd) {
    let _ = rustix::io::read(wake, &mut [0; 8]);
}
