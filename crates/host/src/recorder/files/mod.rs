//! Files that come to be, change or get another name: heard from the kernel (fanotify(7)) for whole file systems, and looked
//! at only enough to tell what may run and what matters.
//!
//! What the kernel tells is a directory's handle, a name and a pid; no time. So events are taken at once, and the time is that
//! of the hearing. Nothing of a file system stays open between two readings: it could not be unmounted meanwhile. Which file
//! systems are listened to, and that nobody's is waited for, is decided where the guard decides it ([`Scope`]).
//!
//! With [`Scope::Mounts`] too the kernel tells of the whole file system, since a mark on a mount hears of no names. What
//! processes outside of this PID namespace do carries no pid, and is left out; so are file systems that are mounted
//! read-only here.

mod fresh;
mod group;
mod look;
mod places;
mod systems;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use self::fresh::Fresh;
use self::group::{Group, Named, Told};
use self::look::{Batch, Verified};
use self::systems::Systems;
use super::raw::{Change, FileChange};
use crate::guard::Scope;

/// Readings at one turn; each brings some hundred events.
const READINGS: usize = 64;

/// Listens for files.
#[derive(Debug)]
pub(super) struct Files {
    group: Group,
    systems: Systems,
    verified: Verified,
    fresh: Fresh,
    wanted: Wanted,
}

/// What is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Where.
    pub scope: Scope,
    /// A process whose files are left out.
    pub own: Option<u32>,
    /// Each file that is new or gets another name, not only those that may run or matter.
    pub all: bool,
}

/// One change, by the pid that the kernel told.
pub(super) struct Heard {
    pub at: u64,
    pub pid: u32,
    pub change: FileChange,
}

/// How much was heard.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    /// Times that the kernel's queue was full.
    pub overflows: u64,
    /// Changes in directories that were gone when they were looked at.
    pub vanished: u64,
    /// Changes in directories that are there, and that nothing leads to.
    pub unseen: u64,
}

impl Files {
    /// Begins to listen. An error says why nothing is heard.
    pub fn open(wanted: Wanted) -> Result<(Self, Vec<String>), String> {
        let mut files = Self {
            group: Group::open()?,
            systems: Systems::default(),
            verified: Verified::default(),
            fresh: Fresh::default(),
            wanted,
        };
        let problems = files.watch();
        if files.systems.is_empty() {
            let why = problems.first().map_or("there is none that is written to", String::as_str);
            return Err(format!("no file system can be listened to: {why}"));
        }
        Ok((files, problems))
    }

    /// Listens to what was mounted since, too. What could not be is said.
    pub fn watch(&mut self) -> Vec<String> {
        self.verified.clear();
        self.systems.watch(self.wanted.scope, &mut self.group)
    }

    /// Takes what waits. `at` is now.
    pub fn hear(&mut self, at: u64, tell: &mut dyn FnMut(Heard)) -> io::Result<Counts> {
        let mut counts = Counts::default();
        let mut batch = Batch::new(&self.systems, &mut self.verified);
        for _ in 0..READINGS {
            let mut all = Vec::new();
            if !self.group.read(|told| all.push(told))? {
                break;
            }
            for told in all {
                match told {
                    Told::Overflow => counts.overflows += 1,
                    Told::Event { mask, pid, name, old } => {
                        if pid != 0 && Some(pid) != self.wanted.own {
                            let event = Event { at, mask, pid, name, old };
                            event.judge(self.wanted.all, &mut self.fresh, &mut batch, tell);
                        }
                    }
                }
            }
        }
        // What is open for writing is looked at when it is closed; what never was, now.
        let mut late = Vec::new();
        self.fresh.new_ones(|name| !batch.is_plain(name), |name, pid| late.push((name, pid)));
        self.fresh.late(at, |name, pid| late.push((name, pid)));
        for (name, pid) in late {
            batch.tell(at, pid, &name, Change::Created, self.wanted.all, tell);
        }
        (counts.vanished, counts.unseen) = (batch.vanished, batch.unseen);
        Ok(counts)
    }

    /// Whether something waits to be told in any case, a second after it came to be.
    pub fn is_waiting(&self) -> bool {
        !self.fresh.is_empty()
    }
}

impl AsFd for Files {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }
}

struct Event {
    at: u64,
    mask: u64,
    pid: u32,
    name: Named,
    old: Option<Named>,
}

impl Event {
    fn judge(self, all: bool, fresh: &mut Fresh, batch: &mut Batch<'_>, tell: &mut dyn FnMut(Heard)) {
        let Self { at, mask, pid, name, old } = self;
        if mask & libc::FAN_MOVED_FROM != 0 {
            fresh.moved(pid, name.clone());
        }
        if mask & (libc::FAN_RENAME | libc::FAN_MOVED_TO) != 0 {
            let old = old.or_else(|| fresh.moved_from(pid));
            // Still open for writing, it is told under its new name when it is closed.
            if old.as_ref().is_some_and(|old| fresh.take(old)) {
                fresh.put(name.clone(), pid, at);
            }
            let from = old.and_then(|old| batch.path(&old));
            batch.tell(at, pid, &name, Change::Renamed(from), all, tell);
            return;
        }
        let closed = mask & libc::FAN_CLOSE_WRITE != 0;
        if mask & libc::FAN_CREATE != 0 {
            if closed {
                batch.tell(at, pid, &name, Change::Created, all, tell);
            } else {
                fresh.put(name, pid, at);
            }
        } else if closed {
            let change = if fresh.take(&name) { Change::Created } else { Change::Written };
            batch.tell(at, pid, &name, change, all, tell);
        }
    }
}
