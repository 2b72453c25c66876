//! What `/proc` tells of a process afterwards: of those that ran before the recorder, and of all where the kernel takes no
//! programs of ours.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use rustix::fs::OFlags;

use super::clock::Clock;
use super::decode::terminal;
use super::raw::{Details, Inner, Program, Raw, Task, What};
use crate::process::{Commands, Identity, Proc, Row};

const STAT: usize = 2 << 10;
const STATUS: usize = 8 << 10;
const NUMBER: usize = 16;

/// Reads processes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Looker {
    pub clock: Clock,
    /// Inode of this process's PID namespace.
    pub namespace: u32,
}

/// A process and what it runs.
pub(super) struct Looked {
    pub identity: Identity,
    pub task: Task,
    pub program: Program,
}

impl Looked {
    /// As something that happened to it.
    pub fn into_raw(self, at: u64, what: impl FnOnce(Box<Program>) -> What) -> Raw {
        let what = what(Box::new(self.program));
        Raw { at, process: self.identity, task: Some(Box::new(self.task)), what }
    }
}

impl Looker {
    /// All processes that can be seen, parents first. Threads of the kernel are left out.
    pub fn all(&self) -> Vec<Raw> {
        let commands = Commands::new();
        let rows = crate::process::rows().unwrap_or_default();
        let mut all: Vec<Raw> = rows
            .iter()
            .filter(|row| !row.kernel && !row.is_dead())
            .filter_map(|row| self.look(row.pid, &commands))
            .map(|looked| {
                let at = looked.task.start;
                looked.into_raw(at, What::Running)
            })
            .collect();
        all.sort_by_key(|raw| (raw.at, raw.process.pid));
        all
    }

    /// One of them. `None` where there is none, or it is a thread of the kernel.
    pub fn look(&self, pid: u32, commands: &Commands) -> Option<Looked> {
        let proc = Proc::open(pid).ok()??;
        let row = proc.row().ok()??;
        if row.kernel {
            return None;
        }
        let identity = row.identity();
        Some(Looked {
            identity,
            task: self.task(&proc, &row),
            program: program(&proc, identity, &row, commands),
        })
    }

    fn task(&self, proc: &Proc, row: &Row) -> Task {
        let mut buffer = [0; STATUS];
        let length = proc.read("status", &mut buffer).unwrap_or(0);
        let status = Status::read(&buffer[..length]);
        let namespace = proc.link("ns/pid").ok().and_then(|link| inode(&link));
        let inner = namespace.filter(|namespace| *namespace != self.namespace);
        let terminal_number = stat(proc, 7).unwrap_or(0) as u32;
        Task {
            start: self.clock.nanoseconds(row.start_time),
            parent: (row.ppid != 0).then(|| parent(row)).flatten(),
            uid: status.uid,
            euid: status.euid,
            login: number(proc, "loginuid"),
            session: number(proc, "sessionid"),
            // As user space numbers devices: twelve bits of the major one, twenty of the minor one, in pieces.
            terminal: terminal(
                terminal_number >> 8 & 0xfff,
                (terminal_number & 0xff) | (terminal_number >> 12 & 0xf_ff00),
            ),
            inner: inner.map(|namespace| Inner { pid: status.inner, namespace }),
            mounts: proc.link("ns/mnt").ok().and_then(|link| inode(&link)).unwrap_or(0),
            name: row.name.clone(),
        }
    }
}

/// A parent begins before its children.
pub(super) fn parent(row: &Row) -> Option<Identity> {
    let above = Proc::open(row.ppid).ok()??.row().ok()??;
    (above.start_time <= row.start_time).then(|| above.identity())
}

fn program(proc: &Proc, identity: Identity, row: &Row, commands: &Commands) -> Program {
    let mut program = Program { details: Details::Afterwards, ..Program::default() };
    if row.is_dead() {
        return Program { details: Details::Gone, ..Program::default() };
    }
    match proc.exe() {
        Some(exe) => (program.path, program.deleted) = (exe.path, exe.deleted),
        None => program.details = Details::Gone,
    }
    if let Ok(handle) = proc.open_at("exe", OFlags::PATH)
        && let Ok(facts) = crate::guard::facts(std::os::fd::AsFd::as_fd(&handle))
    {
        program.inode = facts.stx_ino;
        program.device = (facts.stx_dev_major, facts.stx_dev_minor);
        program.mode = facts.stx_mode.into();
    }
    // Nothing but such a file has this name and no directory.
    if program.deleted && program.path.as_os_str().as_bytes().starts_with(b"/memfd:") {
        (program.in_memory, program.deleted) = (true, false);
    }
    program.directory = proc.link("cwd").map(path).unwrap_or_default();
    program.command = commands.bytes(proc, identity).unwrap_or_default();
    let (from, to) = (stat(proc, 48).unwrap_or(0), stat(proc, 49).unwrap_or(0));
    program.command_size = to.saturating_sub(from).max(program.command.len() as u64);
    program
}

fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// `pid:[4026531836]`
fn inode(link: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(link).ok()?;
    text.split_once('[')?.1.strip_suffix(']')?.parse().ok()
}

/// A file that holds one number; all bits set stands for none.
fn number(proc: &Proc, name: &str) -> Option<u32> {
    let mut buffer = [0; NUMBER];
    let length = proc.read(name, &mut buffer).ok()?;
    let number = std::str::from_utf8(&buffer[..length]).ok()?.trim().parse().ok()?;
    (number != u32::MAX).then_some(number)
}

/// A field of `/proc/PID/stat`, by its number in proc_pid_stat(5), from 3 on.
fn stat(proc: &Proc, field: usize) -> Option<u64> {
    let mut buffer = [0; STAT];
    let length = proc.read("stat", &mut buffer).ok()?;
    let line = &buffer[..length];
    let close = line.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(line.get(close + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(field - 3)?.parse::<i64>().ok().map(i64::cast_unsigned)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Status {
    uid: u32,
    euid: u32,
    /// The pid in its own namespace.
    inner: u32,
}

impl Status {
    fn read(text: &[u8]) -> Self {
        let mut status = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            let words = |rest| std::str::from_utf8(rest).unwrap_or_default().split_ascii_whitespace();
            if let Some(rest) = line.strip_prefix(b"Uid:") {
                let mut ids = words(rest).map(|id| id.parse().unwrap_or(u32::MAX));
                (status.uid, status.euid) = (ids.next().unwrap_or(u32::MAX), ids.next().unwrap_or(u32::MAX));
            } else if let Some(rest) = line.strip_prefix(b"NSpid:") {
                status.inner = words(rest).next_back().and_then(|pid| pid.parse().ok()).unwrap_or(0);
            }
        }
        status
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn status_is_read_by_its_words() {
        let text = b"Name:\tx\nUid:\t1000\t0\t0\t0\nNSpid:\t200\t7\n";
        assert_eq!(Status::read(text), Status { uid: 1000, euid: 0, inner: 7 });
        assert_eq!(inode(b"pid:[4026531836]"), Some(4_026_531_836));
        assert_eq!(inode(b"pid:4026531836"), None);
    }

    #[test]
    fn own_process_is_found_with_its_details() {
        let looker = Looker { clock: Clock::own(), namespace: super::super::bpf::own_namespace().unwrap() };
        let own = Identity::own().unwrap();
        let all = looker.all();
        let found = all.iter().find(|raw| raw.process == own).unwrap();
        let What::Running(program) = &found.what else { unreachable!() };
        assert_eq!(program.path, std::fs::canonicalize("/proc/self/exe").unwrap());
        assert_eq!(program.directory, std::env::current_dir().unwrap());
        assert!(program.arguments().next().is_some() && !program.is_cut());
        let task = found.task.as_ref().unwrap();
        assert!(task.inner.is_none() && task.mounts != 0 && task.parent.is_some());
    }
}
