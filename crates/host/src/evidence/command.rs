//! A program that is run for what it says: with a bound on its time and its words, and with all that it started ended.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

/// Where programs of the system lie. Not `/usr/local`: what lies there is nobody's but an administrator's, or an intruder's.
const PLACES: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
/// Between looks at the time and at whoever may stop it.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// For the rest of the words of a program that has ended: somebody that it started may still hold its output.
const REST: Duration = Duration::from_millis(300);
const CHUNK: usize = 64 << 10;
/// Bytes kept of stderr.
const SHOWN: usize = 4 << 10;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The program, by its path.
    pub program: &'a Path,
    /// What it is given.
    pub arguments: &'a [String],
    /// How long.
    pub time: Duration,
    /// Bytes of stdout at most.
    pub output: u64,
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its time was up.
    pub timed_out: bool,
    /// Somebody stopped it.
    pub stopped: bool,
    /// It had more to say.
    pub truncated: bool,
    /// How long it ran.
    pub duration: Duration,
    /// The beginning of stderr.
    pub stderr: Vec<u8>,
}

/// The program of the system with this name: of root, and changed by nobody else.
pub fn find(name: &str) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') {
        return None;
    }
    PLACES.iter().map(|place| Path::new(place).join(name)).find(|path| {
        std::fs::metadata(path).is_ok_and(|facts| {
            let mode = facts.permissions().mode();
            facts.is_file() && facts.uid() == 0 && mode & 0o022 == 0 && mode & 0o111 != 0
        })
    })
}

/// Runs it; stdout goes to `out`. `stop` is asked ten times a second.
///
/// # Errors
/// It could not be started, or `out` took no more: then it was ended.
pub fn run(what: Run<'_>, out: &mut dyn Write, stop: &mut dyn FnMut() -> ControlFlow<()>) -> io::Result<Ran> {
    let began = Instant::now();
    let mut child = start(what)?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut ran = Ran::default();
    let heard = listen(&mut child, what, began, &mut ran, out, stop);
    // Whatever it left behind has our pipes, our limits and no business to be there.
    let end = |child: &mut Child| {
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        child.wait()
    };
    let status = end(&mut child)?;
    heard?;
    ran.duration = began.elapsed();
    (ran.exit_code, ran.signal) = (status.code(), status.signal());
    Ok(ran)
}

fn start(what: Run<'_>) -> io::Result<Child> {
    let mut command = Command::new(what.program);
    command
        .args(what.arguments.iter().map(OsStr::new))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("COLUMNS", "400")
        .env("PAGER", "cat")
        .env("SYSTEMD_PAGER", "")
        .env("SYSTEMD_COLORS", "0")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    // SAFETY: between fork and exec only system calls are made, by functions that take no lock and no memory.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
            rustix::process::setrlimit(rustix::process::Resource::Core, none)?;
            Ok(())
        });
    }
    command.spawn()
}

fn listen(
    child: &mut Child,
    what: Run<'_>,
    began: Instant,
    ran: &mut Ran,
    out: &mut dyn Write,
    stop: &mut dyn FnMut() -> ControlFlow<()>,
) -> io::Result<()> {
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let mut left = what.output;
    let mut ended: Option<Instant> = None;
    let mut buffer = vec![0u8; CHUNK];
    while stdout.is_some() || stderr.is_some() {
        if began.elapsed() >= what.time {
            ran.timed_out = true;
            return Ok(());
        }
        if stop().is_break() {
            ran.stopped = true;
            return Ok(());
        }
        if ended.is_none() && child.try_wait()?.is_some() {
            ended = Some(Instant::now());
        }
        if ended.is_some_and(|at| at.elapsed() > REST) {
            return Ok(());
        }
        let (out_ready, err_ready) = ready(stdout.as_ref(), stderr.as_ref())?;
        if out_ready && let Some(pipe) = &mut stdout {
            match pipe.read(&mut buffer)? {
                0 => stdout = None,
                n => {
                    let keep = usize::try_from(left).unwrap_or(usize::MAX).min(n);
                    out.write_all(&buffer[..keep])?;
                    left -= keep as u64;
                    if keep < n {
                        ran.truncated = true;
                        return Ok(());
                    }
                }
            }
        }
        if err_ready && let Some(pipe) = &mut stderr {
            match pipe.read(&mut buffer)? {
                0 => stderr = None,
                n => ran.stderr.extend_from_slice(&buffer[..n.min(SHOWN - ran.stderr.len().min(SHOWN))]),
            }
        }
    }
    // Silent and still there: it closed its output and goes on.
    while child.try_wait()?.is_none() {
        if began.elapsed() >= what.time {
            ran.timed_out = true;
            return Ok(());
        }
        if stop().is_break() {
            ran.stopped = true;
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Which of the two has something to read, or has ended.
fn ready(stdout: Option<&impl AsFd>, stderr: Option<&impl AsFd>) -> io::Result<(bool, bool)> {
    let mut fds = Vec::with_capacity(2);
    fds.extend(stdout.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    fds.extend(stderr.map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    match poll(&mut fds, Some(&LOOK)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut told = fds.iter().map(|fd| !fd.revents().is_empty());
    let out = stdout.is_some() && told.next().unwrap_or(false);
    let err = stderr.is_some() && told.next().unwrap_or(false);
    Ok((out, err))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn sh(script: &str, time: Duration, output: u64) -> (Ran, Vec<u8>) {
        let arguments = ["-c".to_owned(), script.to_owned()];
        let what = Run { program: Path::new("/bin/sh"), arguments: &arguments, time, output };
        let mut out = Vec::new();
        let ran = run(what, &mut out, &mut || ControlFlow::Continue(())).unwrap();
        (ran, out)
    }

    #[test]
    fn it_says_how_it_ended() {
        let long = Duration::from_secs(20);
        let (ran, out) = sh("echo a; echo b >&2; exit 3", long, 100);
        assert_eq!((ran.exit_code, &out[..], &ran.stderr[..]), (Some(3), &b"a\n"[..], &b"b\n"[..]));
        let (ran, out) = sh("env | sort | head -3; cat", long, 1000);
        assert!(ran.exit_code == Some(0) && out.starts_with(b"COLUMNS"), "{}", String::from_utf8_lossy(&out));
        let (ran, out) = sh("exec 1>&- 2>&-; sleep 0.1; exit 4", long, 100);
        assert_eq!((ran.exit_code, out.len()), (Some(4), 0));
    }

    #[test]
    fn it_is_ended_in_time_with_all_that_it_started() {
        let (ran, _) = sh("sleep 978 & sleep 978", Duration::from_millis(300), 100);
        assert!(ran.timed_out && ran.signal == Some(9) && ran.duration < Duration::from_secs(5), "{ran:?}");
        let (ran, out) = sh("while :; do echo flood; done", Duration::from_secs(20), 1000);
        assert!(ran.truncated && out.len() == 1000, "{ran:?}");
        let (ran, _) = sh("sleep 978 & exit 0", Duration::from_secs(20), 1000);
        assert!(ran.exit_code == Some(0) && ran.duration < Duration::from_secs(5), "{ran:?}");
        let is_there = || {
            std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
                let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
                let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                line == b"sleep\0978\0" && !stat.contains(") Z")
            })
        };
        let end = Instant::now() + Duration::from_secs(10);
        while is_there() {
            assert!(Instant::now() < end, "something is left");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn only_programs_of_the_system_are_found() {
        assert!(find("sh").is_some());
        for name in ["", "../sh", "/bin/sh", "no-such-program"] {
            assert_eq!(find(name), None);
        }
    }
}
