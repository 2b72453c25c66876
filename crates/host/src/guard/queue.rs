//! Questions whose answers wait for a file to be read, and whose turn it is.
//!
//! Files are read in slices and by turns, so that one that is long holds no other up, and users take turns too: what one
//! of them executes is nobody else's wait. What nobody waits for any more gives way to everything that somebody waits for.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::fanotify::FanotifyEvent;

use super::VERDICT_LIMIT;
use super::content::{Key, Reading};

/// Files that wait to be read; what comes on top runs unchecked.
const WAITING: usize = 256;
/// Of these, by all users but root.
const WAITING_OF_USERS: usize = 192;
/// Of these, by one user.
const WAITING_OF_ONE: usize = 64;
/// Of these, by root.
const WAITING_OF_ROOT: usize = 128;
/// So many questions in a row that were given up while no reader came forward at all: the disk hangs, and nobody waits for
/// it until one does.
const HANGS: u32 = 8;

/// A question whose answer waits for a file to be read.
struct Waiting {
    event: Arc<FanotifyEvent>,
    key: Key,
    uid: u32,
    since: Instant,
    /// How far the readers had come.
    moved: u64,
}

/// A file that is to be read.
pub(super) struct Job {
    number: u64,
    uid: u32,
    pub event: Arc<FanotifyEvent>,
    pub key: Key,
    /// A change since the job began shows in the key: then the answer is one for all who ask about this key.
    pub settled: bool,
    pub reading: Reading,
    /// Nobody waits for it any more.
    pub late: bool,
}

#[derive(Default)]
struct State {
    /// By number, the oldest first.
    waiting: BTreeMap<u64, Waiting>,
    /// By user; none is empty.
    jobs: BTreeMap<u32, VecDeque<Job>>,
    /// Being read right now, where others may share the answer.
    read: Vec<(u32, Key)>,
    number: u64,
    /// Whose turn it was, but for root.
    last: u32,
    for_root: bool,
    /// Slices that were read.
    moved: u64,
    hangs: u32,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a question of this user's; gives it back where there is no room.
    pub fn put(
        &self,
        event: FanotifyEvent,
        key: Key,
        uid: u32,
        with_sha1: bool,
    ) -> Result<(), FanotifyEvent> {
        let mut state = self.state();
        if state.hangs >= HANGS || !state.has_room(uid) {
            return Err(event);
        }
        state.number += 1;
        let (number, event) = (state.number, Arc::new(event));
        let (since, moved) = (Instant::now(), state.moved);
        state.waiting.insert(number, Waiting { event: event.clone(), key, uid, since, moved });
        let settled = key.is_settled();
        if !(settled && state.is_read(uid, &key)) {
            state.tidy();
            let reading = Reading::new(with_sha1);
            let job = Job { number, uid, event, key, settled, reading, late: false };
            state.jobs.entry(uid).or_default().push_back(job);
            drop(state);
            self.work.notify_one();
        }
        Ok(())
    }

    /// How long the oldest question may still wait.
    pub fn patience(&self) -> Option<Duration> {
        let state = self.state();
        let oldest = state.waiting.values().next()?;
        Some(VERDICT_LIMIT.saturating_sub(oldest.since.elapsed()))
    }

    /// A question that waited too long: the caller answers it.
    pub fn late(&self) -> Option<Arc<FanotifyEvent>> {
        let mut state = self.state();
        let first =
            state.waiting.first_entry().filter(|first| first.get().since.elapsed() >= VERDICT_LIMIT)?;
        let late = first.remove();
        // Behind other files it is late too, and that is no hanging disk.
        if late.moved == state.moved {
            state.hangs += 1;
        }
        Some(late.event)
    }

    /// Waits for a file to read a slice of.
    pub fn next(&self) -> Job {
        let mut state = self.state();
        loop {
            while let Some(mut job) = state.turn() {
                job.late = !state.is_awaited(&job);
                // What is known the next time is worth a reader that has nothing else to do.
                if !job.late || state.waiting.is_empty() {
                    if job.settled {
                        state.read.push((job.uid, job.key));
                    }
                    return job;
                }
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A slice of it was read, and there is more.
    pub fn again(&self, job: Job) {
        let mut state = self.state();
        state.came_forward(&job);
        state.jobs.entry(job.uid).or_default().push_back(job);
        drop(state);
        self.work.notify_one();
    }

    /// It was read, or cannot be: the questions that this answers, for the caller to answer. None where all waited too long.
    pub fn done(&self, job: &Job) -> Vec<Arc<FanotifyEvent>> {
        let mut state = self.state();
        state.came_forward(job);
        let is_same = |number: &u64, waiting: &mut Waiting| {
            *number == job.number || (job.settled && waiting.key == job.key)
        };
        let answered = state.waiting.extract_if(.., is_same);
        answered.map(|(_, waiting)| waiting.event).collect()
    }
}

impl State {
    fn has_room(&self, uid: u32) -> bool {
        let (all, own) = (self.waiting.len(), self.waiting.values().filter(|one| one.uid == uid).count());
        match uid {
            0 => own < WAITING_OF_ROOT && all < WAITING,
            _ => own < WAITING_OF_ONE && all < WAITING_OF_USERS,
        }
    }

    /// Forgets what nobody waits for, where that is much.
    fn tidy(&mut self) {
        let Self { jobs, waiting, .. } = self;
        if jobs.values().map(VecDeque::len).sum::<usize>() < WAITING {
            return;
        }
        jobs.retain(|_, jobs| {
            jobs.retain(|job| waiting.values().any(|other| other.key == job.key));
            !jobs.is_empty()
        });
    }

    /// Whether a job of the user's own will answer about this key.
    fn is_read(&self, uid: u32, key: &Key) -> bool {
        self.read.contains(&(uid, *key))
            || self.jobs.get(&uid).is_some_and(|jobs| jobs.iter().any(|job| job.settled && job.key == *key))
    }

    fn is_awaited(&self, job: &Job) -> bool {
        self.waiting.contains_key(&job.number)
            || (job.settled && self.waiting.values().any(|waiting| waiting.key == job.key))
    }

    fn came_forward(&mut self, job: &Job) {
        self.moved += 1;
        self.hangs = 0;
        if let Some(at) = self.read.iter().position(|read| *read == (job.uid, job.key)) {
            self.read.swap_remove(at);
        }
    }

    /// Every second turn is root's, the others go round.
    fn turn(&mut self) -> Option<Job> {
        self.for_root = !self.for_root;
        let after = self.jobs.range((Bound::Excluded(self.last), Bound::Unbounded)).next();
        let other = after.or_else(|| self.jobs.range(1..).next()).map(|(uid, _)| *uid);
        let uid = match other {
            Some(uid) if !(self.for_root && self.jobs.contains_key(&0)) => uid,
            _ => 0,
        };
        let jobs = self.jobs.get_mut(&uid)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.jobs.remove(&uid);
        }
        if uid != 0 {
            self.last = uid;
        }
        job
    }
}
