//! What really happened on an endpoint, told by others than the agent: processes by the kernel's own trace, files by the
//! endpoint's disk before and after.
//!
//! The trace is an instance of ftrace of our own that follows one process and all its descendants
//! (`set_event_pid` with `event-fork`); tracefs is mounted where only one thread of ours sees it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use quell_host::namespace::on_a_thread;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};

use crate::{Error, failed};

const EVENTS: [&str; 3] = ["sched_process_fork", "sched_process_exec", "sched_process_exit"];
/// The trace's room for each processor, KiB.
const BUFFER: &str = "8192";
/// Bytes of a trace that are read.
const MOST: u64 = 256 << 20;

/// A program that was started, as the kernel told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// By which process, by its pid on the machine.
    pub pid: u32,
    /// The name that it was started with.
    pub program: String,
    /// What its process was before, or what its process came from: the place of that run in the list.
    pub from: Option<usize>,
}

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Programs that were started, in order of time.
    pub runs: Vec<Run>,
    /// Processes and threads that were made.
    pub made: u64,
    /// Of those that were seen to be made, or ran something, how many ended.
    pub ended: u64,
    /// Events that the trace had no room for.
    pub lost: u64,
}

/// A trace that runs.
pub struct Trace {
    /// The instance's directory.
    place: std::os::fd::OwnedFd,
    /// The directory of all instances.
    instances: std::os::fd::OwnedFd,
    name: String,
}

impl Trace {
    /// Follows the process with this pid (as the machine sees it) and all that it makes from now on.
    pub fn follow(pid: u32) -> Result<Self, Error> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("quell-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let trace = on_a_thread(|| begin(name)).map_err(failed("make a trace of the kernel"))?;
        trace.set(pid).map_err(failed("begin a trace of the kernel"))?;
        Ok(trace)
    }

    fn set(&self, pid: u32) -> io::Result<()> {
        self.write("buffer_size_kb", BUFFER)?;
        self.write("options/event-fork", "1")?;
        self.write("set_event_pid", &pid.to_string())?;
        for event in EVENTS {
            self.write(&format!("events/sched/{event}/enable"), "1")?;
        }
        Ok(())
    }

    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        let opened = rustix::fs::openat(&self.place, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&opened, text.as_bytes())?;
        Ok(())
    }

    fn read(&self, file: &str) -> io::Result<String> {
        let opened = rustix::fs::openat(&self.place, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut bytes = Vec::new();
        fs::File::from(opened).take(MOST).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What was seen so far.
    pub fn seen(&self) -> Result<Truth, Error> {
        let read = || -> io::Result<Truth> {
            let mut truth = parse(&self.read("trace")?);
            for processor in 0..std::thread::available_parallelism()?.get() {
                let stats = self.read(&format!("per_cpu/cpu{processor}/stats"))?;
                let overrun = stats.lines().find_map(|line| line.strip_prefix("overrun: "));
                truth.lost += overrun.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0);
            }
            Ok(truth)
        };
        read().map_err(failed("read a trace of the kernel"))
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        for event in EVENTS {
            let _ = self.write(&format!("events/sched/{event}/enable"), "0");
        }
        let _ = rustix::fs::unlinkat(&self.instances, &self.name, rustix::fs::AtFlags::REMOVEDIR);
    }
}

fn begin(name: String) -> io::Result<Trace> {
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let place = ["/sys/kernel/tracing", "/mnt"].map(Path::new).into_iter().find(|place| place.is_dir());
    let place = place.ok_or(io::ErrorKind::NotFound)?;
    mount(Some("tracefs"), place, Some("tracefs"), MsFlags::empty(), none)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let instances = rustix::fs::open(place.join("instances"), flags, Mode::empty())?;
    rustix::fs::mkdirat(&instances, name.as_str(), Mode::from_raw_mode(0o700))?;
    let place = rustix::fs::openat(&instances, name.as_str(), flags, Mode::empty())?;
    Ok(Trace { place, instances, name })
}

/// Lines of ftrace: `… sched_process_fork: comm=sh pid=7 child_comm=sh child_pid=8`.
fn parse(trace: &str) -> Truth {
    let mut truth = Truth::default();
    // What each process runs, by place.
    let mut running: HashMap<u32, usize> = HashMap::new();
    for line in trace.lines() {
        let Some((kind, fields)) = EVENTS.iter().find_map(|event| {
            let (_, fields) = line.split_once(&format!(" {event}: "))?;
            Some((*event, fields))
        }) else {
            continue;
        };
        // A name may hold blanks and signs; the numbers stand after it.
        let number = |fields: &str, name: &str| -> Option<u32> {
            fields.rsplit_once(name)?.1.split_whitespace().next()?.parse().ok()
        };
        match kind {
            "sched_process_fork" => {
                truth.made += 1;
                let before = fields.split(" child_comm=").next().unwrap_or(fields);
                let (Some(parent), Some(child)) = (number(before, " pid="), number(fields, " child_pid="))
                else {
                    continue;
                };
                // A number that is used again is another process.
                running.remove(&child);
                if let Some(place) = running.get(&parent) {
                    running.insert(child, *place);
                }
            }
            "sched_process_exec" => {
                let program = fields.strip_prefix("filename=").and_then(|rest| rest.rsplit_once(" pid="));
                if let (Some(pid), Some((program, _))) = (number(fields, " pid="), program) {
                    let from = running.insert(pid, truth.runs.len());
                    truth.runs.push(Run { pid, program: program.to_owned(), from });
                }
            }
            _ => truth.ended += 1,
        }
    }
    truth
}

/// A file as it lay on an endpoint's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lay {
    /// Type and permissions.
    pub mode: u32,
    /// Of its content.
    pub sha256: String,
}

/// What an endpoint shares with the machine, and what the kernel makes.
const NOT_OURS: &[&str] = &[
    "bin",
    "dev",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "opt/quell",
    "proc",
    "sbin",
    "sys",
    "usr",
    "var/lib/dpkg",
];

/// The regular files of an endpoint's own.
pub fn files(root: &Path) -> BTreeMap<PathBuf, Lay> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let inside = path.strip_prefix(root).unwrap_or(&path);
            let Ok(meta) = entry.metadata() else { continue };
            if NOT_OURS.iter().any(|place| inside == Path::new(place)) {
                continue;
            }
            if meta.is_dir() {
                waiting.push(path);
            } else if meta.is_file() {
                let sha256 = fs::read(&path)
                    .map(|bytes| quell_wire::digest::hex(&Sha256::digest(bytes)))
                    .unwrap_or_default();
                let lay = Lay { mode: meta.permissions().mode(), sha256 };
                found.insert(Path::new("/").join(inside), lay);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_kernel_tells_who_made_whom_and_what_they_ran() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: the kernel's trace needs root");
            return;
        }
        let script = "read go; /bin/sh -c '/bin/true; /bin/ls / >/dev/null; :'; exec /bin/echo done";
        let mut child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let trace = match Trace::follow(child.id()) {
            Ok(trace) => trace,
            Err(error) => {
                eprintln!("skipped: {error:?}");
                child.kill().unwrap();
                child.wait().unwrap();
                return;
            }
        };
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"go\n").unwrap();
        assert!(child.wait().unwrap().success());
        let truth = trace.seen().unwrap();
        let runs: Vec<_> = truth.runs.iter().map(|run| (run.program.as_str(), run.from)).collect();
        assert_eq!(
            runs,
            [("/bin/sh", None), ("/bin/true", Some(0)), ("/bin/ls", Some(0)), ("/bin/echo", None)],
            "{truth:?}"
        );
        assert_eq!((truth.made, truth.lost), (3, 0), "{truth:?}");
    }

    #[test]
    fn names_with_blanks_confuse_nobody() {
        let trace = "\
 sh-7 [000] ..... 1.0: sched_process_fork: comm=a pid=3 b pid=7 child_comm=x child_pid=5 child_pid=8
 sh-8 [000] ..... 1.1: sched_process_exec: filename=/tmp/a pid=1 b pid=8 old_pid=8
 sh-8 [000] ..... 1.2: sched_process_exit: comm=x pid=8 prio=120
";
        let truth = parse(trace);
        let run = Run { pid: 8, program: "/tmp/a pid=1 b".to_owned(), from: None };
        assert_eq!(truth, Truth { runs: vec![run], made: 1, ended: 1, lost: 0 });
    }
}
