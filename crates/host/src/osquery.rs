//! An installed osquery, asked by its own command line: `osqueryi --json … SQL`.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::time::Timespec;

/// Where packages put it.
const PLACES: &[&str] = &["/usr/bin/osqueryi", "/opt/osquery/bin/osqueryi", "/usr/local/bin/osqueryi"];
/// The first version that is used: major, minor.
const LEAST: (u32, u32) = (5, 7);
/// For its version.
const VERSION_LIMIT: Duration = Duration::from_secs(10);
/// Its version, and its last words. Bytes.
const WORDS: usize = 4 << 10;
/// Between looks at whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// A line of its output: one row. Bytes.
const LINE: usize = 16 << 20;
/// No `yara`: its rules would tell of any file, the agent's key among them, bit for bit; our own table knows better.
/// Nothing is written, watched, loaded or fetched: no database, no events, no extensions, no logs, no tables that
/// reach other machines or read files into uploads.
const FLAGS: &[&str] = &[
    "--json",
    "--config_path=/dev/null",
    "--ephemeral",
    "--disable_database",
    "--disable_events",
    "--disable_logging",
    "--disable_extensions",
    "--disable_audit",
    "--disable_watchdog",
    "--disable_carver",
    "--disable_tables=yara,yara_events,carves,curl,curl_certificate,ec2_instance_metadata,ec2_instance_tags,azure_instance_metadata,azure_instance_tags,ycloud_instance_metadata",
];

/// An installed osquery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its shell.
    pub program: PathBuf,
    /// As it says.
    pub version: String,
}

/// Why it gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none, or none that is new enough.
    #[error("{0}")]
    Missing(String),
    /// It did not start, or the line to it broke.
    #[error("cannot run osquery")]
    Run(#[source] io::Error),
    /// It said no.
    #[error("osquery says: {0}")]
    Said(String),
    /// Its time is up.
    #[error("osquery was not done in {} s", .0.as_secs())]
    Time(Duration),
    /// It was ended as asked.
    #[error("ended as asked")]
    Stopped,
    /// Its output is no output of `--json`.
    #[error("osquery's output cannot be read: {0}")]
    Garbled(&'static str),
}

/// Looks for it: at the one place that is named, else where packages put it.
pub fn find(named: Option<&Path>) -> Result<Installed, Error> {
    let places: Vec<PathBuf> = match named {
        Some(path) => vec![path.to_owned()],
        None => PLACES.iter().map(PathBuf::from).collect(),
    };
    let Some(program) = places.into_iter().find(|path| path.is_file()) else {
        return Err(Error::Missing("no osquery is installed on this endpoint".to_owned()));
    };
    let program = trusted(&program)?;
    let mut said = Vec::new();
    let mut run = Running::start(&program, &["--version"], None)?;
    run.each(VERSION_LIMIT, &|| false, &mut |line| {
        said.extend_from_slice(&line[..line.len().min(WORDS)]);
        Ok(said.len() < WORDS)
    })?;
    let said = String::from_utf8_lossy(&said).into_owned();
    // `osqueryi version 5.12.1`
    let version = said.split_ascii_whitespace().last().unwrap_or_default().to_owned();
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < LEAST {
        return Err(Error::Missing(format!(
            "osquery {} is installed, and {}.{} or later is wanted",
            version.chars().filter(|c| !c.is_control()).take(40).collect::<String>(),
            LEAST.0,
            LEAST.1
        )));
    }
    Ok(Installed { program, version })
}

/// Where it truly lies, if nobody but root, or who runs this program, can put another one there: it runs with all rights.
fn trusted(program: &Path) -> Result<PathBuf, Error> {
    let real = program.canonicalize().map_err(Error::Run)?;
    let own = rustix::process::geteuid().as_raw();
    for part in real.ancestors() {
        let facts = part.symlink_metadata().map_err(Error::Run)?;
        if ![0, own].contains(&facts.uid()) || facts.mode() & 0o022 != 0 {
            return Err(Error::Missing(format!(
                "{} is not used: others than root may change {}",
                program.display(),
                part.display()
            )));
        }
    }
    Ok(real)
}

/// How far a statement may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Its time.
    pub time: Duration,
    /// Address space, bytes.
    pub memory: u64,
}

/// Asks. `take` gets each row as the JSON object that osquery printed; `false` is enough.
pub fn ask(
    installed: &Installed,
    sql: &str,
    limits: Limits,
    stop: &dyn Fn() -> bool,
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), Error> {
    // What begins with a dot is a command of the shell, and what begins with a dash is a flag.
    let begins = sql.trim_start().get(..4).unwrap_or_default().to_ascii_lowercase();
    if !["sele", "with", "valu"].contains(&begins.as_str()) {
        return Err(Error::Said("only SELECT is answered".to_owned()));
    }
    let mut arguments = FLAGS.to_vec();
    arguments.push(sql.trim_start());
    let mut run = Running::start(&installed.program, &arguments, Some(limits.memory))?;
    let mut is_open = false;
    let mut is_closed = false;
    let ended = run.each(limits.time, stop, &mut |line| {
        let line = line.trim_ascii();
        match line {
            b"" => Ok(true),
            b"[" if !is_open => {
                is_open = true;
                Ok(true)
            }
            b"[]" if !is_open => {
                (is_open, is_closed) = (true, true);
                Ok(true)
            }
            b"]" if is_open => {
                is_closed = true;
                Ok(true)
            }
            _ if is_open && !is_closed => Ok(take(line.strip_suffix(b",").unwrap_or(line))),
            _ => Err(Error::Garbled("it does not begin with a list")),
        }
    });
    match ended? {
        Ended::Enough => Ok(()),
        Ended::Exit(true) if is_closed => Ok(()),
        Ended::Exit(true) => Err(Error::Garbled("the list does not end")),
        Ended::Exit(false) => Err(Error::Said(run.words())),
    }
}

enum Ended {
    /// By itself; whether well.
    Exit(bool),
    /// No more was wanted.
    Enough,
}

/// A child in a group of its own, ended with this value.
struct Running {
    child: Child,
    words: Vec<u8>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let group = Pid::from_child(&self.child);
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

impl Running {
    fn start(program: &Path, arguments: &[&str], memory: Option<u64>) -> Result<Self, Error> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/nonexistent")
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let limit = move || {
            if let Some(memory) = memory {
                let both = rustix::process::Rlimit { current: Some(memory), maximum: Some(memory) };
                rustix::process::setrlimit(rustix::process::Resource::As, both)?;
            }
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            Ok(())
        };
        // SAFETY: between fork and exec, two system calls with numbers; nothing is allocated and no lock is taken.
        unsafe { command.pre_exec(limit) };
        let child = command.spawn().map_err(Error::Run)?;
        Ok(Self { child, words: Vec::new() })
    }

    fn words(&self) -> String {
        let text = String::from_utf8_lossy(&self.words);
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().trim().to_owned()
    }

    /// Hands over each line of its output until it ends.
    fn each(
        &mut self,
        limit: Duration,
        stop: &dyn Fn() -> bool,
        take: &mut dyn FnMut(&[u8]) -> Result<bool, Error>,
    ) -> Result<Ended, Error> {
        let until = Instant::now() + limit;
        let broken = || Error::Run(io::ErrorKind::BrokenPipe.into());
        let mut out = self.child.stdout.take().ok_or_else(broken)?;
        let mut err = self.child.stderr.take();
        let mut line = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            if stop() {
                return Err(Error::Stopped);
            }
            if Instant::now() >= until {
                return Err(Error::Time(limit));
            }
            let (is_out, is_err) = ready(&out, err.as_ref())?;
            if is_err && let Some(pipe) = &mut err {
                let got = pipe.read(&mut buffer).unwrap_or(0);
                let room = WORDS.saturating_sub(self.words.len());
                self.words.extend_from_slice(&buffer[..got.min(room)]);
                if got == 0 {
                    err = None;
                }
            }
            if !is_out {
                continue;
            }
            let got = out.read(&mut buffer).map_err(Error::Run)?;
            for byte in &buffer[..got] {
                if *byte == b'\n' {
                    if !take(&line)? {
                        return Ok(Ended::Enough);
                    }
                    line.clear();
                } else if line.len() < LINE {
                    line.push(*byte);
                } else {
                    return Err(Error::Garbled("a row is too long"));
                }
            }
            if got == 0 {
                break;
            }
        }
        if !line.is_empty() && !take(&line)? {
            return Ok(Ended::Enough);
        }
        self.wait(until, limit, err)
    }

    fn wait(
        &mut self,
        until: Instant,
        limit: Duration,
        mut err: Option<std::process::ChildStderr>,
    ) -> Result<Ended, Error> {
        loop {
            if let Some(status) = self.child.try_wait().map_err(Error::Run)? {
                if let Some(pipe) = &mut err {
                    let room = WORDS.saturating_sub(self.words.len()) as u64;
                    let _ = pipe.take(room).read_to_end(&mut self.words);
                }
                return Ok(Ended::Exit(status.success()));
            }
            if Instant::now() >= until {
                return Err(Error::Time(limit));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn ready(
    out: &std::process::ChildStdout,
    err: Option<&std::process::ChildStderr>,
) -> Result<(bool, bool), Error> {
    let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK.as_nanos() as i64 };
    let mut fds = vec![PollFd::from_borrowed_fd(out.as_fd(), PollFlags::IN)];
    if let Some(err) = err {
        fds.push(PollFd::from_borrowed_fd(err.as_fd(), PollFlags::IN));
    }
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok((false, false)),
        Err(errno) => return Err(Error::Run(errno.into())),
    }
    let is_ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
    Ok((is_ready(fds.first()), is_ready(fds.get(1))))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_others_may_change_is_not_run() {
        let dir = tempfile::tempdir_in(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).unwrap();
        if trusted(dir.path()).is_err() {
            println!("skipped: others may change the directory of these tests");
            return;
        }
        let program = dir.path().join("osqueryi");
        let mark = dir.path().join("mark");
        let script = format!("#!/bin/sh\ntouch {}\necho osqueryi version 5.9.1\n", mark.display());
        std::fs::write(&program, script).unwrap();
        for (on, mode, used) in
            [(&*program, 0o775, false), (&*program, 0o755, true), (dir.path(), 0o777, false)]
        {
            let _ = std::fs::remove_file(&mark);
            set_permissions(on, Permissions::from_mode(mode)).unwrap();
            assert_eq!(find(Some(&program)).is_ok(), used, "{}", on.display());
            assert_eq!(mark.exists(), used);
        }
        set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&program, Some(54_321), None).unwrap();
            assert!(matches!(find(Some(&program)), Err(Error::Missing(_))));
        }
    }
}
