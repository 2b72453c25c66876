//! The guard's process: one thread answers the kernel and the agent, two read files, one keeps marks and rules.
//!
//! The answering thread waits for nothing but the next question: whatever may wait (a path, a disk) is left to the others.
//! All that it opens are files of /proc that the kernel answers from what it has at hand: `status` of any process, which
//! takes no lock of that process's memory; never `cmdline`, `maps` or `environ`, which do, but for the agent's own children
//! that run the agent's own program.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use nix::sys::fanotify::{FanotifyEvent, MaskFlags};
use rustix::event::{PollFd, PollFlags};

use super::book::{Book, Verdict};
use super::content::{Digests, Key, Known, MOST_HASHED, Reading, digests_until};
use super::group::Group;
use super::input::{Input, wait};
use super::keeper::{self, Task};
use super::protect;
use super::queue::{Job, Queue};
use super::report::{Out, is_worker, say, user};
use super::{Ask, Attempt, Counts, Hit, Tell};

/// Threads that read files.
const HASHERS: usize = 2;
/// Read at one turn. Bytes.
const SLICE: u64 = 1 << 20;
/// Spent on one file that nobody waits for: one that is known by its path, or runs already.
const READING: Duration = Duration::from_secs(5);
/// Of the thread that answers; those that read get on as everybody does, and what nobody waits for is read last of all.
const PRIORITY: i32 = -10;
const LAST: i32 = 19;
const STACK: usize = 256 << 10;

/// What the threads share.
pub(super) struct Core {
    pub group: Group,
    agent: u32,
    own: u32,
    book: RwLock<Book>,
    known: Mutex<Known>,
    /// Inodes that are marked to be asked about before they are opened.
    blocked: Mutex<HashSet<(u64, u64)>>,
    queue: Queue,
    /// Inodes that no rule may block. Looked up by the keeper, since that opens files.
    protected: Mutex<BTreeSet<(u64, u64)>>,
    pub out: Out,
    asked: AtomicU64,
    denied: AtomicU64,
    hashed: AtomicU64,
    unchecked: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a guard on standard input and output until the input ends. The first line is its [`Settings`].
pub fn serve() -> i32 {
    // A key press at a terminal, or a signal to the agent's group, is not for the guard.
    let _ = rustix::process::setsid();
    let _ = std::fs::write("/proc/self/oom_score_adj", "-900");
    let out = Out::new();
    match run(&out) {
        Ok(()) => 0,
        Err(error) => {
            say(&Tell::Broken { problem: error.to_string() });
            1
        }
    }
}

fn run(out: &Out) -> io::Result<()> {
    let mut input = Input::new()?;
    let settings = input.first()?;
    let group = Group::open(settings.scope).map_err(|error| explain(&error))?;
    let core = Arc::new(Core {
        group,
        agent: settings.agent,
        own: std::process::id(),
        book: RwLock::default(),
        known: Mutex::default(),
        blocked: Mutex::default(),
        queue: Queue::default(),
        protected: Mutex::default(),
        out: out.clone(),
        asked: AtomicU64::new(0),
        denied: AtomicU64::new(0),
        hashed: AtomicU64::new(0),
        unchecked: AtomicU64::new(0),
    });
    for _ in 0..HASHERS {
        let core = core.clone();
        start("hasher", move || core.read_files())?;
    }
    let (tasks, told) = channel();
    let kept = core.clone();
    start("keeper", move || keeper::run(&kept, &told))?;
    // Of this thread alone.
    let _ = rustix::process::setpriority_process(None, PRIORITY);
    let done = core.answer(&mut input, &tasks);
    // A thread that waits for a hanging disk would hold the group open beyond the end of this one.
    // SAFETY: nothing uses the descriptor after this: the process ends at once.
    unsafe { libc::close(core.group.as_fd().as_raw_fd()) };
    done?;
    std::process::exit(0)
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work).map(drop)
}

fn explain(error: &io::Error) -> io::Error {
    let why = match error.raw_os_error() {
        Some(libc::EPERM) => {
            "the kernel lets only root of the whole machine (CAP_SYS_ADMIN) decide about programs"
        }
        Some(libc::EINVAL | libc::ENOSYS) => "this kernel was built without fanotify permission events",
        _ => "the kernel gave no permission events",
    };
    io::Error::new(error.kind(), format!("{why}: {error}"))
}

impl Core {
    /// Until the input ends.
    fn answer(&self, input: &mut Input, tasks: &Sender<Task>) -> io::Result<()> {
        let mounts = File::open("/proc/self/mountinfo")?;
        drain(&mounts);
        loop {
            let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
            let mut fds = [
                PollFd::new(&self.group, PollFlags::IN),
                PollFd::new(&input.file, PollFlags::IN),
                PollFd::new(&mounts, PollFlags::PRI),
            ];
            wait(&mut fds, self.queue.patience())?;
            let [asked, told, mounted] = fds.each_ref().map(is_ready);
            if asked {
                for event in self.group.read()? {
                    self.take(event);
                }
            }
            self.give_up_late();
            if told {
                let more = input.fill()?;
                while let Some(line) = input.line() {
                    self.obey(&line, tasks)?;
                }
                if !more {
                    return Ok(());
                }
            }
            if mounted {
                drop(tasks.send(Task::Mounts));
            }
        }
    }

    fn obey(&self, line: &[u8], tasks: &Sender<Task>) -> io::Result<()> {
        match serde_json::from_slice(line)? {
            Ask::Ping { number } => drop(say(&Tell::Pong { number, counts: self.counts() })),
            Ask::Rules { generation, rules } => drop(tasks.send(Task::Rules(generation, rules))),
        }
        Ok(())
    }

    fn give_up_late(&self) {
        while let Some(event) = self.queue.late() {
            self.let_pass(&event, "time_limit");
        }
    }

    fn let_pass(&self, event: &FanotifyEvent, why: &str) {
        self.unchecked.fetch_add(1, Ordering::Relaxed);
        self.group.answer(event, true);
        if let Some(fd) = event.fd() {
            self.out.unchecked(fd, event.pid() as u32, why);
        }
    }

    fn take(&self, event: FanotifyEvent) {
        let mask = event.mask();
        if mask.contains(MaskFlags::FAN_Q_OVERFLOW) {
            say(&Tell::Overflow);
            return;
        }
        let Some(fd) = event.fd() else { return };
        if mask.contains(MaskFlags::FAN_CLOSE_WRITE) {
            self.group.unignore(fd);
            return;
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let pid = event.pid() as u32;
        if pid == self.own || pid == self.agent {
            self.group.answer(&event, true);
            return;
        }
        let Some(key) = Key::of(fd) else {
            self.group.answer(&event, true);
            return;
        };
        let with_sha1 = self.book().wants_sha1();
        let known = lock(&self.known).get(&key, with_sha1);
        match known {
            Some(digests) => self.decide(&event, &key, &digests, true),
            None if key.size() > MOST_HASHED => self.let_pass(&event, "too_large"),
            None => {
                if let Err(event) = self.queue.put(event, key, user(pid), with_sha1) {
                    self.let_pass(&event, "busy");
                }
            }
        }
    }

    fn read_files(&self) {
        let mut is_last = false;
        loop {
            let mut job = self.queue.next();
            if job.late != is_last {
                is_last = job.late;
                let _ = rustix::process::setpriority_process(None, if is_last { LAST } else { 0 });
            }
            let read = match self.read_on(&mut job) {
                Ok(Some(digests)) => Ok(digests),
                Ok(None) => {
                    self.queue.again(job);
                    continue;
                }
                Err(error) => Err(error),
            };
            let answered = self.queue.done(&job);
            match read {
                Ok(digests) if answered.is_empty() => self.decide(&job.event, &job.key, &digests, false),
                Ok(digests) => {
                    for event in &answered {
                        self.decide(event, &job.key, &digests, true);
                    }
                }
                Err(_) => answered.iter().for_each(|event| self.let_pass(event, "unreadable")),
            }
        }
    }

    /// One slice more; its hashes at its end.
    fn read_on(&self, job: &mut Job) -> io::Result<Option<Digests>> {
        let with_sha1 = self.book().wants_sha1();
        // What another job has read meanwhile needs no second reading.
        if let Some(digests) = lock(&self.known).get(&job.key, with_sha1) {
            return Ok(Some(digests));
        }
        // Rules came that ask for more.
        if with_sha1 && !job.reading.has_sha1() {
            job.reading = Reading::new(true);
        }
        let fd = job.event.fd().ok_or(io::ErrorKind::NotFound)?;
        if !job.reading.read(fd, SLICE)? {
            return Ok(None);
        }
        let digests = job.reading.digests();
        self.remember(fd, &job.key, job.settled, digests);
        Ok(Some(digests))
    }

    /// Reads a file that nobody waits for, and remembers what is in it where that holds.
    pub fn read(&self, file: BorrowedFd<'_>, key: &Key, with_sha1: bool) -> io::Result<Digests> {
        let (settled, began) = (key.is_settled(), Instant::now());
        let digests = digests_until(file, with_sha1, MOST_HASHED, &|| began.elapsed() > READING)?;
        self.remember(file, key, settled, digests);
        Ok(digests)
    }

    fn remember(&self, file: BorrowedFd<'_>, key: &Key, settled: bool, digests: Digests) {
        self.hashed.fetch_add(1, Ordering::Relaxed);
        if settled && Key::of(file) == Some(*key) {
            lock(&self.known).put(*key, digests);
        }
    }

    pub fn recall(&self, key: &Key) -> Option<Digests> {
        let with_sha1 = self.book().wants_sha1();
        lock(&self.known).get(key, with_sha1)
    }

    pub fn book(&self) -> std::sync::RwLockReadGuard<'_, Book> {
        self.book.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Other rules from now on. No mark that was set by the old ones is left.
    pub fn turn(&self, book: Book) {
        let mut now = self.book.write().unwrap_or_else(PoisonError::into_inner);
        *now = book;
        self.group.flush();
        lock(&self.blocked).clear();
    }

    /// Answers, unless nobody waits any more, and marks the inode. The rules cannot change meanwhile, so that no mark
    /// outlives the rule that it comes from.
    fn decide(&self, event: &FanotifyEvent, key: &Key, digests: &Digests, is_awaited: bool) {
        let Some(fd) = event.fd() else { return };
        let is_execution = event.mask().contains(MaskFlags::FAN_OPEN_EXEC_PERM);
        let book = self.book();
        let verdict = book.verdict(digests);
        let mut hit = None;
        match verdict {
            Verdict::Clear => {
                if is_awaited {
                    self.group.answer(event, true);
                }
                if lock(&self.blocked).remove(&key.inode()) {
                    self.group.unblock(fd);
                }
                // Rules that came while it was read may ask for more than was taken.
                if digests.sha1.is_some() || !book.wants_sha1() {
                    self.approve(fd, key);
                }
            }
            Verdict::Report(rule) => {
                self.group.answer(event, true);
                hit = Some((rule, Some("report_only")));
            }
            Verdict::Block(rule) if self.is_protected(key) => {
                self.group.answer(event, true);
                hit = Some((rule, Some("protected")));
            }
            // It reads it for the agent's own answers, and hands nothing on.
            Verdict::Block(_) if !is_execution && is_worker(event.pid() as u32, self.agent) => {
                self.group.answer(event, true);
            }
            Verdict::Block(rule) => {
                self.block(fd, key);
                hit = Some((rule, (!is_awaited).then_some("too_late")));
            }
        }
        drop(book);
        let Some((rule, let_pass)) = hit else { return };
        let denied = let_pass.is_none();
        let let_pass = let_pass.map(str::to_owned);
        let attempt = if is_execution { Attempt::Exec } else { Attempt::Open };
        // Told before the answer, while the process is there to be looked at.
        let (pid, path) = (event.pid() as u32, super::report::path(fd));
        self.out.hit(|| Hit { denied, let_pass, ..super::report::hit(attempt, rule, path, digests, pid) });
        if denied {
            self.denied.fetch_add(1, Ordering::Relaxed);
            self.group.answer(event, false);
        }
    }

    /// Not to be asked again about content that holds.
    fn approve(&self, fd: BorrowedFd<'_>, key: &Key) {
        if !key.is_settled() || self.group.ignore(fd).is_err() {
            return;
        }
        // Written between the reading and the mark.
        if Key::of(fd) != Some(*key) {
            self.group.unignore(fd);
        }
    }

    /// To be asked before it is opened at all. A system without room for the mark still denies the execution.
    pub fn block(&self, fd: BorrowedFd<'_>, key: &Key) {
        if self.group.block(fd).is_ok() {
            lock(&self.blocked).insert(key.inode());
        }
    }

    pub fn is_protected(&self, key: &Key) -> bool {
        lock(&self.protected).contains(&key.inode())
    }

    /// Looks again where the protected files are: packages replace them.
    pub fn protect(&self) {
        let inodes = protect::inodes();
        *lock(&self.protected) = inodes;
    }

    fn counts(&self) -> Counts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            asked: of(&self.asked),
            denied: of(&self.denied),
            hashed: of(&self.hashed),
            unchecked: of(&self.unchecked),
            untold: self.out.untold(),
        }
    }
}

/// Reads a table to its end, so that only later changes ring.
fn drain(mut file: &File) {
    let mut buffer = [0; 4096];
    while matches!(file.read(&mut buffer), Ok(count) if count > 0) {}
}

/// A file by its path, for marks and hashes; waits for nothing, follows no link in its last part.
pub fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}
