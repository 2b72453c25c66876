//! The memory of a live process as an ELF core file, which gdb, lldb and readelf read, without ending it.
//!
//! Three things are taken, in this order. The *registers* of all threads, with the tops of their stacks, while the
//! threads are stopped: some milliseconds. The *layout*: mappings, and which of their pages exist. The *pages*, while the
//! process runs on (or, where asked, while it is still held). So what is far from the stacks may be a few seconds younger
//! than the registers; a fault in that is better than a service that stands still for a minute.
//!
//! Memory is read by `/proc/PID/mem`, opened once: it stays with the memory of that one program, also when the process
//! runs another one or its pid is given away. A page that was never touched is not read (a reservation of 100 GB costs
//! nothing), and the file says of it: this address is there, and holds nothing.

mod archive;
mod elf;
mod maps;
mod memory;
mod threads;

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

pub use archive::{Archived, SIDECAR, dump_to_archive};

use crate::process::{Backing, Error as ProcessError, Identity, Proc, Protection, State};
use elf::{Segment, Who};
use maps::{Mapping, Pages};
use memory::{page_size, write};
use threads::{Held, Snapshot};

/// Zeros between two stretches that are written rather than described.
const GAP: u64 = 64 << 10;
/// The threads are held no longer than this for their stacks to be read.
const STACKS: Duration = Duration::from_secs(2);
/// Program headers that are made with the small gap; with more, the gap grows.
const MANY: usize = 60_000;
const AUXV: u64 = 16 << 10;

/// What is dumped, and how.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Options {
    /// Refuse what would make a larger core file. Bytes, before compression.
    pub max_bytes: u64,
    /// Stop the threads for a moment and take their registers. Without, nothing is stopped at all.
    pub registers: bool,
    /// Keep the process stopped until its memory has been read too, at most this long.
    pub hold: Option<Duration>,
    /// Leave out what the program asked to be left out (`MADV_DONTDUMP`).
    pub honour_dontdump: bool,
    /// Also pages that are still as they are in a mapped file, such as program code.
    pub mapped_files: bool,
}

impl Default for Options {
    /// 8 GiB, registers, no hold, everything.
    fn default() -> Self {
        Self { max_bytes: 8 << 30, registers: true, hold: None, honour_dontdump: false, mapped_files: true }
    }
}

/// What was dumped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dumped {
    /// The process.
    pub identity: Identity,
    /// Its executable, as the kernel has it.
    pub exe: PathBuf,
    /// Bytes of the core file.
    pub size: u64,
    /// SHA-256 of the core file.
    pub sha256: [u8; 32],
    /// Threads seen.
    pub threads: u64,
    /// Threads of those whose registers are in it.
    pub threads_with_registers: u64,
    /// Why no registers are in it, where none are.
    pub no_registers: Option<String>,
    /// How long the process was held, at most.
    pub stopped: Duration,
    /// It was held until all its memory had been read: everything is of one instant.
    pub one_instant: bool,
    /// Mappings it had.
    pub mappings: u64,
    /// Bytes of address space of those.
    pub address_space: u64,
    /// Bytes left out since the program asked for it, or they belong to a device, or to a file whose file system may not
    /// answer: another machine's, or served by a program of any user's.
    pub left_out: u64,
    /// Bytes that were there and could not be read; they stand as zeros.
    pub unreadable: u64,
}

/// Why a process was not dumped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process cannot be had.
    #[error("the process cannot be reached")]
    Process(#[from] ProcessError),
    /// It has no memory of its own.
    #[error("process {pid} is a thread of the kernel and has no memory of its own")]
    Kernel {
        /// The pid asked for.
        pid: u32,
    },
    /// The core file would be larger than allowed.
    #[error("its memory takes {size} bytes, and {limit} are allowed")]
    TooLarge {
        /// Bytes of the core file.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// It ended, or runs another program, before all was read.
    #[error("the process ended or began another program after {at} bytes were read")]
    Ended {
        /// Bytes read until then.
        at: u64,
    },
    /// The system does not say what is mapped.
    #[error("cannot look at its memory")]
    Layout(#[source] io::Error),
    /// The archive could not be written.
    #[error("cannot write the core file")]
    Write(#[source] io::Error),
    /// The caller asked to stop.
    #[error("stopped after {at} bytes, as asked")]
    Canceled {
        /// Bytes read until then.
        at: u64,
    },
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// A process opened for its memory.
struct Subject {
    identity: Identity,
    proc: Proc,
    memory: File,
    who: Who,
    exe: PathBuf,
    arguments: Vec<String>,
}

/// Everything that is known before the first page is written.
struct Layout {
    mappings: Vec<Mapping>,
    segments: Vec<Segment>,
    snapshot: Snapshot,
    prelude: Vec<u8>,
    size: u64,
    left_out: u64,
}

/// Writes the core file of one process. `progress` is told the bytes read and the bytes in all, and may stop it.
///
/// The calling process and kernel threads are refused. Needs `CAP_SYS_PTRACE`, or the same user.
pub fn dump(
    identity: Identity,
    options: &Options,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Dumped, Error> {
    let subject = Subject::open(identity)?;
    dump_opened(&subject, options, out, progress).map(|(dumped, _)| dumped)
}

fn dump_opened(
    subject: &Subject,
    options: &Options,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<(Dumped, Layout), Error> {
    std::thread::scope(|scope| {
        // Held by a thread of its own, whose end lets go in any case. Dropping `release` lets go earlier.
        let (told, snapshot) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let stopper = options.registers.then(|| {
            scope.spawn(move || {
                let held = Held::stop(&|| subject.tids()).map_err(|error| told.send(Err(error))).ok()?;
                let _ = told.send(Ok(held.snapshot(subject.identity.pid)));
                let limit = options.hold.unwrap_or(STACKS);
                let is_whole = released.recv_timeout(limit) != Err(mpsc::RecvTimeoutError::Timeout);
                Some((is_whole, held.time()))
            })
        });
        let taken = match stopper.as_ref().and_then(|_| snapshot.recv().ok()) {
            // By this thread, so that a page which does not come cannot keep the one that lets go.
            Some(Ok(mut taken)) => {
                subject.read_stacks(&mut taken);
                taken
            }
            Some(Err(error)) => Snapshot { refused: Some(error), ..Snapshot::default() },
            None => Snapshot::default(),
        };
        let release = options.hold.map(|_| release);
        let written = layout(subject, options, taken)
            .and_then(|layout| write(subject, &layout, out, progress).map(|written| (layout, written)));
        drop(release);
        let held = stopper.and_then(|thread| thread.join().ok().flatten());
        let (layout, (sha256, unreadable)) = written?;
        let mut dumped = dumped(subject, options, &layout, sha256, unreadable);
        if let Some((is_whole, time)) = held {
            dumped.one_instant = is_whole && options.hold.is_some();
            dumped.stopped = time;
        }
        Ok((dumped, layout))
    })
}

fn dumped(
    subject: &Subject,
    options: &Options,
    layout: &Layout,
    sha256: [u8; 32],
    unreadable: u64,
) -> Dumped {
    let snapshot = &layout.snapshot;
    let with = snapshot.threads.iter().filter(|thread| !thread.general.is_empty()).count() as u64;
    let no_registers = match (&snapshot.refused, with) {
        (_, 1..) => None,
        (Some(error), _) if error.raw_os_error() == Some(libc::EPERM) => {
            Some("something else traces the process, or the system forbids it".to_owned())
        }
        (Some(error), _) => Some(error.to_string()),
        (None, _) if options.registers => {
            Some("no thread stopped in time, or the program is of another width than the system".to_owned())
        }
        (None, _) => Some("not asked for".to_owned()),
    };
    Dumped {
        identity: subject.identity,
        exe: subject.exe.clone(),
        size: layout.size,
        sha256,
        threads: (snapshot.threads.len() as u64).max(subject.tids().len() as u64),
        threads_with_registers: with,
        no_registers,
        stopped: Duration::ZERO,
        one_instant: false,
        mappings: layout.mappings.len() as u64,
        address_space: layout.mappings.iter().map(Mapping::len).sum(),
        left_out: layout.left_out,
        unreadable,
    }
}

impl Subject {
    fn open(identity: Identity) -> Result<Self, Error> {
        let Identity { pid, start_time: expected } = identity;
        if identity == Identity::own()? {
            return Err(ProcessError::Protected { pid, why: Protection::Caller }.into());
        }
        let proc = Proc::open(pid)?.ok_or(ProcessError::NoSuchProcess { pid })?;
        let row = proc.row()?.ok_or(ProcessError::NoSuchProcess { pid })?;
        if row.start_time != expected {
            return Err(ProcessError::Reused { pid, expected, found: row.start_time }.into());
        }
        if row.kernel {
            return Err(Error::Kernel { pid });
        }
        if row.is_dead() {
            return Err(ProcessError::Zombie { pid }.into());
        }
        let denied = |what| {
            move |errno: Errno| match errno {
                Errno::NOENT | Errno::SRCH => ProcessError::NoSuchProcess { pid },
                errno => ProcessError::Denied { pid, what, source: errno.into() },
            }
        };
        let memory = proc.open_at("mem", OFlags::RDONLY).map_err(denied("read the memory"))?;
        let arguments = proc.cmdline();
        let words: Vec<&[u8]> = arguments.iter().map(|word| word.as_bytes()).collect();
        let owner =
            rustix::fs::fstat(proc.open_at("task", OFlags::PATH).map_err(denied("look at the threads"))?)
                .map_err(denied("look at the threads"))?;
        let mut auxv = Vec::new();
        if let Ok(file) = proc.open_at("auxv", OFlags::RDONLY) {
            let _ = File::from(file).take(AUXV).read_to_end(&mut auxv);
        }
        let who = Who {
            pid,
            ppid: row.ppid,
            group: row.group,
            session: row.session,
            uid: proc.uid().unwrap_or(owner.st_uid),
            gid: owner.st_gid,
            state: match row.state {
                State::Running => b'R',
                State::Sleeping | State::Other => b'S',
                State::Uninterruptible => b'D',
                State::Stopped => b'T',
                State::Zombie => b'Z',
            },
            name: row.name.as_bytes().to_vec(),
            arguments: words.join(&b' '),
            auxv,
        };
        let arguments = arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let exe = proc.exe().map(|exe| exe.path).unwrap_or_default();
        Ok(Self { identity, memory: File::from(memory), who, exe, arguments, proc })
    }

    /// What is mapped, by `smaps` or, without details, by `maps`.
    fn mappings(&self, list: &str) -> io::Result<Vec<Mapping>> {
        // Before the list: what is mounted later is none of it, and is left out.
        let backing = Backing::of(&self.proc);
        let list = self.proc.open_at(list, OFlags::RDONLY)?;
        maps::mappings(list, &|device| backing.answers(device))
    }

    /// Reads the tops of the stacks, where they point into memory that may be read: a program sets its stack pointer as it
    /// likes.
    fn read_stacks(&self, taken: &mut Snapshot) {
        let Ok(mappings) = self.mappings("maps") else { return };
        taken.read_stacks(&|at, buffer| {
            let next = mappings.partition_point(|mapping| mapping.end <= at);
            let Some(mapping) = mappings.get(next).filter(|m| m.start <= at && m.is_wanted(false)) else {
                return 0;
            };
            let most = usize::try_from(mapping.end - at).unwrap_or(usize::MAX).min(buffer.len());
            self.memory.read_at(&mut buffer[..most], at).unwrap_or(0)
        });
    }

    /// The ids of its threads; none when it has ended.
    fn tids(&self) -> Vec<u32> {
        let Ok(task) = self.proc.open_at("task", OFlags::RDONLY | OFlags::DIRECTORY) else {
            return Vec::new();
        };
        let Ok(entries) = rustix::fs::Dir::new(task) else { return Vec::new() };
        entries.flatten().filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok()).collect()
    }
}

fn layout(subject: &Subject, options: &Options, snapshot: Snapshot) -> Result<Layout, Error> {
    let page = page_size() as u64;
    let open = |name| subject.proc.open_at(name, OFlags::RDONLY).map_err(io::Error::from);
    let mappings = subject.mappings("smaps").map_err(gone_or_layout)?;
    if mappings.is_empty() {
        return Err(Error::Ended { at: 0 });
    }
    let mut pages = Pages::new(open("pagemap").map_err(gone_or_layout)?, page);
    let mut left_out = 0;
    let mut found = Vec::with_capacity(mappings.len());
    for mapping in &mappings {
        if mapping.is_wanted(options.honour_dontdump) {
            found.push(pages.of(mapping, options.mapped_files).map_err(gone_or_layout)?);
        } else {
            left_out += mapping.held;
            found.push(Vec::new());
        }
    }
    let mut gap = GAP;
    let segments = loop {
        let mut segments = Vec::new();
        for (mapping, ranges) in mappings.iter().zip(&found) {
            elf::segments(mapping, ranges, gap, &mut segments);
        }
        // What is merely fragmented is joined; a program with that many mappings of its own has that many headers.
        if segments.len() <= MANY.max(mappings.len() * 3) || gap >= 64 << 20 {
            break segments;
        }
        gap *= 8;
    };
    let notes = elf::notes(&subject.who, &snapshot, &mappings, page);
    let prelude = elf::prelude(&segments, &notes, page);
    let size = prelude.len() as u64 + segments.iter().map(|segment| segment.filed).sum::<u64>();
    if size > options.max_bytes {
        return Err(Error::TooLarge { size, limit: options.max_bytes });
    }
    Ok(Layout { mappings, segments, snapshot, prelude, size, left_out })
}

fn gone_or_layout(error: io::Error) -> Error {
    match error.raw_os_error() {
        Some(libc::ESRCH | libc::ENOENT) => Error::Ended { at: 0 },
        _ => Error::Layout(error),
    }
}
