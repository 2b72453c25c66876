//! How the recorder stands: which sources it has and why, what they told and what they lost.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::bpf::Lost;
use super::raw::Kind;

/// Sentences that are kept.
const PROBLEMS: usize = 16;

/// How the recorder stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What is listened to.
    pub sources: Vec<Source>,
    /// What was told and lost since the recorder began, in the order of [`Kind::ALL`].
    pub counts: Vec<Count>,
    /// Changes of files whose directory was removed before it could be looked at. They are in no count of what was lost: this
    /// happens all the time where programs make directories for a moment, and says nothing of whether the recorder keeps up.
    pub vanished_files: u64,
    /// What is not listened to, or not any more, and why. Sentences for a person.
    pub problems: Vec<String>,
}

/// One source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it tells of.
    pub covers: &'static [Kind],
    /// Which: `ebpf`, `connector`, `polling`, `fanotify`, `utmp`.
    pub name: &'static str,
    /// Why this one. A sentence for a person.
    pub reason: String,
}

/// Of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Which.
    pub kind: Kind,
    /// Handed on.
    pub seen: u64,
    /// Known to be missing. Where a source says only that something is, each time counts as one.
    pub lost: u64,
}

/// What the thread and its owner share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub seen: [AtomicU64; Kind::ALL.len()],
    lost: [AtomicU64; Kind::ALL.len()],
    vanished_files: AtomicU64,
    /// How often it was asked to hand on what it can hear of, and up to which of these it has.
    asked: AtomicU64,
    handed: Mutex<u64>,
    bell: Condvar,
    sources: Mutex<Vec<Source>>,
    problems: Mutex<Vec<String>>,
    /// What programs in the kernel found no room for.
    kernel: Mutex<Option<Lost>>,
}

impl Shared {
    pub fn source(&self, covers: &'static [Kind], name: &'static str, reason: impl Into<String>) {
        lock(&self.sources).push(Source { covers, name, reason: reason.into() });
    }

    pub fn lose(&self, kind: Kind, count: u64) {
        self.lost[kind as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub fn vanish(&self, count: u64) {
        self.vanished_files.fetch_add(count, Ordering::Relaxed);
    }

    /// The number of one more question.
    pub fn ask(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The number of the last question.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    /// What could be heard of when that was asked is handed on.
    pub fn handed(&self, number: u64) {
        *lock(&self.handed) = number;
        self.bell.notify_all();
    }

    /// Waits for that, so long at most. Whether it came.
    pub fn wait(&self, number: u64, within: Duration) -> bool {
        let waited = self.bell.wait_timeout_while(lock(&self.handed), within, |handed| *handed < number);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub fn kernel(&self, lost: Lost) {
        *lock(&self.kernel) = Some(lost);
    }

    pub fn problem(&self, problem: &str) {
        let mut problems = lock(&self.problems);
        if problems.len() < PROBLEMS && !problems.iter().any(|known| known == problem) {
            problems.push(problem.to_owned());
        }
    }

    pub fn standing(&self) -> Standing {
        let mut lost = [0; Kind::ALL.len()];
        if let Some(kernel) = &*lock(&self.kernel) {
            kernel.each(|kind, count| lost[kind as usize] += count);
        }
        let count = |kind: Kind| Count {
            kind,
            seen: self.seen[kind as usize].load(Ordering::Relaxed),
            lost: self.lost[kind as usize].load(Ordering::Relaxed) + lost[kind as usize],
        };
        Standing {
            sources: lock(&self.sources).clone(),
            counts: Kind::ALL.into_iter().map(count).collect(),
            vanished_files: self.vanished_files.load(Ordering::Relaxed),
            problems: lock(&self.problems).clone(),
        }
    }
}

impl Standing {
    /// What was told and lost of one kind.
    pub fn count(&self, kind: Kind) -> Count {
        self.counts.get(kind as usize).copied().unwrap_or(Count { kind, seen: 0, lost: 0 })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
