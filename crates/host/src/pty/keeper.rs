//! The keeper's side: its whole life, from the task to the end of everything that the shell began.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Uid};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, setrlimit,
};
use rustix::time::Timespec;

use super::account::Account;
use super::{Ended, Failure, LINE, START, Said, Spec, Started};
use crate::process::{Identity, end_descendants, tree};
use crate::signals;

/// Between two looks at how many processes there are.
const COUNT_EVERY: Duration = Duration::from_millis(100);
/// Of these looks, the one that asks whose they are, however many there seem to be.
const WHOSE_EVERY: u32 = 50;
/// A shell that was hung up has this long to end by itself.
const GRACE: Duration = Duration::from_secs(1);
/// How long ending all that is left may take.
const END_LIMIT: Duration = Duration::from_secs(20);

/// Keeps one shell. For a process of its own, which must have done nothing but start: its standard input is the line to
/// the agent, its standard output the terminal. Returns its exit code.
pub fn keep() -> i32 {
    let Ok(line) = io::stdin().as_fd().try_clone_to_owned() else { return 1 };
    let mut control = UnixStream::from(line);
    let said = match Shell::begin(&mut control) {
        Ok(shell) => shell.complete(&mut control),
        Err((what, why)) => Said::Failed { what, why },
    };
    i32::from(say(&mut control, &said).is_err())
}

fn say(control: &mut UnixStream, said: &Said) -> io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    control.write_all(&line)
}

/// Why the shell is to end.
enum Why {
    Exited,
    Asked,
    TooMany(u32),
}

struct Shell {
    pid: Pid,
    signals: OwnedFd,
    processes: u32,
    status: Option<WaitStatus>,
}

type Failed = (Failure, String);

fn system(what: &'static str) -> impl FnOnce(io::Error) -> Failed {
    move |error| (Failure::System, format!("cannot {what}: {error}"))
}

impl Shell {
    fn begin(control: &mut UnixStream) -> Result<Self, Failed> {
        let spec = task(control)?;
        // It was started as /proc/self/exe, and would be listed as `exe`.
        let _ = rustix::thread::set_name(c"quell-pty");
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|errno| system("become the parent of detached processes")(errno.into()))?;
        let signals = signals().map_err(system("take signals"))?;
        let account = Account::find(spec.user.as_deref())?;
        let program = account.program(spec.program)?;
        own_terminal(&account).map_err(system("hand the terminal over"))?;
        let pid = start(&spec, &account, &program)?;
        // Only what runs in it holds the terminal from here on.
        if let Ok(null) = std::fs::File::options().write(true).open("/dev/null") {
            let _ = rustix::stdio::dup2_stdout(&null);
        }
        let started = Started {
            pid: pid.as_raw_nonzero().get().cast_unsigned(),
            program: program.display().to_string(),
            account: account.numbers(),
            user: account.name,
        };
        say(control, &Said::Started(started)).map_err(system("tell the agent"))?;
        Ok(Self { pid, signals, processes: spec.processes, status: None })
    }

    fn complete(mut self, control: &mut UnixStream) -> Said {
        let why = self.watch(control);
        if matches!(why, Why::Asked) {
            self.hang_up();
        }
        let (pid, mut status) = (self.pid, self.status);
        let ended = end_descendants(END_LIMIT, &mut || status = status.or(collect(pid)));
        status = status.or(collect(pid));
        let (stopped, left) = match ended {
            Ok(ended) => (ended.ended, ended.left.len() as u64),
            Err(_) => (0, 1),
        };
        Said::Ended(Ended {
            exit_code: status.and_then(WaitStatus::exit_status),
            signal: status.and_then(WaitStatus::terminating_signal),
            too_many: match why {
                Why::TooMany(seen) => Some(seen),
                Why::Exited | Why::Asked => None,
            },
            stopped,
            left,
        })
    }

    /// Until the shell ends, or something ends it.
    fn watch(&mut self, control: &mut UnixStream) -> Why {
        let (mut usual, mut looks) = (tasks(), 0u32);
        loop {
            self.status = self.status.or(collect(self.pid));
            if self.status.is_some() {
                return Why::Exited;
            }
            if self.wait(control, COUNT_EVERY) {
                return Why::Asked;
            }
            // All of the system's tasks are one number; whose they are is looked at where there are suddenly more, and now
            // and then: ours may take the place of others' that end.
            looks = looks.wrapping_add(1);
            let now = tasks();
            usual = usual.zip(now).map(|(usual, now)| usual.min(now));
            let more = usual.zip(now).map_or(u64::MAX, |(usual, now)| now - usual);
            if more > u64::from(self.processes) / 2 || looks.is_multiple_of(WHOSE_EVERY) {
                let seen = Identity::own().and_then(tree).map_or(0, |below| below.len() as u32);
                if seen > self.processes {
                    return Why::TooMany(seen);
                }
            }
        }
    }

    /// Until there is a signal or a word of the agent, or nothing for this long. `true`: it is to end.
    fn wait(&self, control: &mut UnixStream, limit: Duration) -> bool {
        let timeout = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let mut fds = [PollFd::new(&self.signals, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
        let _ = poll(&mut fds, Some(&timeout));
        let is_heard = !fds[1].revents().is_empty();
        let mut told = false;
        let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
        while rustix::io::read(&self.signals, &mut info).is_ok_and(|n| n == info.len()) {
            // ssi_signo is the first field, 32 bits, in the machine's order (signalfd(2)).
            let number = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            told |= number != libc::SIGCHLD as u32;
        }
        // Whatever the agent says after the task means the end, and so does its silence for good.
        told || is_heard
    }

    /// What a terminal that is taken away does: the shell may say goodbye, and what it runs may save its work.
    fn hang_up(&mut self) {
        let _ = kill_process_group(self.pid, Signal::HUP);
        let _ = kill_process(self.pid, Signal::HUP);
        let _ = kill_process(self.pid, Signal::CONT);
        let until = Instant::now() + GRACE;
        while self.status.is_none() && Instant::now() < until {
            self.status = collect(self.pid);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn task(control: &mut UnixStream) -> Result<Spec, Failed> {
    control.set_read_timeout(Some(START)).map_err(system("prepare the line to the agent"))?;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LINE as usize {
        control.read_exact(&mut byte).map_err(system("hear the task"))?;
        if byte[0] == b'\n' {
            break;
        }
        line.push(byte[0]);
    }
    serde_json::from_slice(&line).map_err(|error| system("read the task")(error.into()))
}

/// The terminal belongs to whoever uses it, as login(1) has it.
fn own_terminal(account: &Account) -> io::Result<()> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let terminal = io::stdout();
    rustix::fs::fchown(terminal.as_fd(), Some(rustix::fs::Uid::from_raw(account.uid.as_raw())), None)?;
    rustix::fs::fchmod(terminal.as_fd(), rustix::fs::Mode::from_raw_mode(0o600))?;
    Ok(())
}

fn start(spec: &Spec, account: &Account, program: &std::path::Path) -> Result<Pid, Failed> {
    let terminal = || {
        io::stdout().as_fd().try_clone_to_owned().map(Stdio::from).map_err(system("hand the terminal over"))
    };
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut login = std::ffi::OsString::from("-");
    login.push(name);
    let mut command = Command::new(program);
    command
        .arg0(login)
        .env_clear()
        .envs(account.environment(program))
        .stdin(terminal()?)
        .stdout(terminal()?)
        .stderr(terminal()?);
    let becoming = Becoming {
        is_root: Uid::effective().is_root(),
        uid: account.uid,
        gid: account.gid,
        groups: account.groups.clone(),
        processes: u64::from(spec.processes),
        directories: account.directories(spec.directory.as_deref()),
    };
    // SAFETY: between fork and exec only system calls are made, no memory is allocated and no lock taken; this process has
    // one thread.
    unsafe { command.pre_exec(move || becoming.become_it()) };
    let child = command.spawn().map_err(|error| {
        let is_there = spec.directory.as_ref().is_none_or(|path| path.is_dir());
        let what = if is_there { Failure::System } else { Failure::Directory };
        (what, format!("{} cannot be started there: {error}", program.display()))
    })?;
    Ok(Pid::from_child(&child))
}

/// What the child does before it is the shell.
struct Becoming {
    is_root: bool,
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
    processes: u64,
    directories: Vec<std::ffi::CString>,
}

impl Becoming {
    fn become_it(&self) -> io::Result<()> {
        rustix::process::setsid()?;
        // SAFETY: descriptor 0 is the terminal; the call takes a number.
        if unsafe { libc::ioctl(0, libc::TIOCSCTTY as _, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let both = |value: u64| Rlimit { current: Some(value), maximum: Some(value) };
        setrlimit(Resource::Core, both(0))?;
        // What the kernel should take first when memory ends is the shell, not the agent.
        let write = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC;
        if let Ok(file) = rustix::fs::open(c"/proc/self/oom_score_adj", write, rustix::fs::Mode::empty()) {
            let _ = rustix::io::write(file, b"500");
        }
        if self.is_root {
            nix::unistd::setgroups(&self.groups)?;
            nix::unistd::setgid(self.gid)?;
            if !self.uid.is_root() {
                // The kernel's own limit holds for everybody but root.
                setrlimit(Resource::Nproc, both(self.processes))?;
            }
            nix::unistd::setuid(self.uid)?;
        }
        // After the change of the user, which would have cleared it.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let mut entered = Err(io::ErrorKind::NotFound.into());
        for directory in &self.directories {
            entered = rustix::process::chdir(directory.as_c_str()).map_err(io::Error::from);
            if entered.is_ok() {
                break;
            }
        }
        entered?;
        // The mask was the keeper's, for its signalfd.
        signals::by_default();
        // SAFETY: plain numbers. Descriptors are marked, not closed: the one that reports a failed exec is still needed.
        unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        Ok(())
    }
}

/// Tasks of the whole system: the fourth field of /proc/loadavg, behind the slash (proc_loadavg(5)).
fn tasks() -> Option<u64> {
    let mut text = [0; 128];
    let read = std::fs::File::open("/proc/loadavg").and_then(|mut file| file.read(&mut text)).unwrap_or(0);
    let text = std::str::from_utf8(&text[..read]).unwrap_or_default();
    let field = text.split(' ').nth(3).and_then(|field| field.split_once('/'));
    field.and_then(|(_, all)| all.parse().ok())
}

/// Collects every ended child, and gives the status of the shell when it was among them.
fn collect(shell: Pid) -> Option<WaitStatus> {
    let mut status = None;
    while let Ok(Some((pid, ended))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == shell {
            status = Some(ended);
        }
    }
    status
}

/// Child ends and requests to end, as readable events instead of interruptions.
fn signals() -> io::Result<OwnedFd> {
    // SAFETY: `set` is initialised by sigemptyset before it is used and outlives the calls, which only read it; the
    // descriptor that signalfd returns is new and owned by nobody else.
    unsafe {
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
        Ok(OwnedFd::from_raw_fd(fd))
    }
}
