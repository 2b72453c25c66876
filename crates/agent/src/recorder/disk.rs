//! The thread that alone touches the ring, and hands updates of chains to the session: one after the other, a few at a time,
//! each again until it is stored.
//!
//! A disk that is slow, full or damaged holds nobody up: what comes meanwhile waits within a bound, and is counted beyond it.

mod courier;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quell_wire::activity::{Process, ProcessKey};
use serde_json::json;
use tokio::sync::oneshot;

use super::ring::{self, Age, Ask, Batch, Bounds, Found, Letter, Ring};
use super::times::since_boot;
use crate::clock::Clock;
use crate::outbox::Outbox;
use crate::runner::chain;
use courier::{Courier, Next};

/// Rows that wait to be written.
const WAITING: usize = 40_000;
/// Updates of chains that wait for the server, on the disk. Bytes.
pub const OUTGOING: u64 = 32 << 20;
/// The same while the disk takes nothing, in memory. Bytes.
const IN_MEMORY: u64 = 4 << 20;
/// Between two looks at size and age while something is recorded, and while nothing is.
const TRIM: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_mins(10);
/// And after so many rows, so that a flood finds the size bounded too: some megabytes.
const ROWS: usize = 8000;
const STACK: usize = 384 << 10;

/// What is to be done.
enum Work {
    Write(Batch),
    Post(Box<Letter>, Batch),
    History(Box<Ask>),
    Recall(ProcessKey),
    Forget(String),
    Bounds(Bounds),
    Stored(String, u64),
    Line(bool),
    Written(oneshot::Sender<()>),
    Stop,
}

/// What is told of the disk.
#[derive(Debug, Default)]
pub struct Counts {
    /// Bytes in use, and of the file.
    pub used: AtomicU64,
    pub bytes: AtomicU64,
    /// Time of the oldest activity event; 0 where there is none.
    pub oldest_us: AtomicI64,
    /// Rows that were not written.
    pub dropped: AtomicU64,
    /// Times that the file was begun anew.
    pub renewed: AtomicU64,
    /// Bytes of updates that wait.
    pub outgoing: AtomicU64,
    /// The disk takes nothing at the moment.
    pub is_failing: AtomicBool,
    waiting: AtomicUsize,
}

struct Inner {
    queue: Mutex<VecDeque<Work>>,
    bell: Condvar,
    counts: Counts,
    is_gone: AtomicBool,
}

/// What others tell the thread by. Cheap to clone.
#[derive(Clone)]
pub struct Disk(Arc<Inner>);

impl std::fmt::Debug for Disk {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Disk({} waiting)", self.0.counts.waiting.load(Ordering::Relaxed))
    }
}

/// What the thread tells.
#[derive(Debug)]
pub enum Answer {
    /// What was asked for.
    History(Found),
    /// A process that has left the tree, and its ancestors.
    Recalled(ProcessKey, Vec<Process>),
    /// Updates of this chain are gone: nothing more can be told of it.
    Lost(String),
}

/// Who is told.
pub type Tell = Box<dyn Fn(Answer) + Send>;

impl Disk {
    /// Begins the thread with an open ring.
    pub fn start(
        ring: Ring,
        boot_id: String,
        bounds: Bounds,
        (outbox, clock): (Outbox, Clock),
        tell: Tell,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let inner = Inner {
            queue: Mutex::default(),
            bell: Condvar::new(),
            counts: Counts::default(),
            is_gone: AtomicBool::new(false),
        };
        let disk = Self(Arc::new(inner));
        let keeper = Keeper {
            disk: disk.clone(),
            ring: Some(ring),
            boot_id,
            bounds,
            courier: Courier::new(outbox.clone()),
            outbox,
            clock,
            tell,
            is_told: false,
            age: Age::default(),
            written: 0,
        };
        let thread = std::thread::Builder::new().name("flight-disk".into()).stack_size(STACK);
        let handle = thread.spawn(move || keeper.run())?;
        Ok((disk, handle))
    }

    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// Rows that wait to be written.
    pub fn waiting(&self) -> usize {
        self.0.counts.waiting.load(Ordering::Relaxed)
    }

    /// Whether updates of chains find room.
    pub fn has_room(&self) -> bool {
        let counts = &self.0.counts;
        let most = if counts.is_failing.load(Ordering::Relaxed) { IN_MEMORY } else { OUTGOING };
        counts.outgoing.load(Ordering::Relaxed) < most && !self.0.is_gone.load(Ordering::Relaxed)
    }

    /// Rows are to be written; beyond the bound they are counted and gone.
    pub fn write(&self, batch: Batch) {
        let rows = batch.processes.len() + batch.activities.len();
        let counts = &self.0.counts;
        if counts.waiting.load(Ordering::Relaxed) + rows > WAITING {
            counts.dropped.fetch_add(rows as u64, Ordering::Relaxed);
            return;
        }
        counts.waiting.fetch_add(rows, Ordering::Relaxed);
        self.push(Work::Write(batch));
    }

    /// An update is to be kept and told.
    pub fn post(&self, letter: Letter, batch: Batch) {
        self.0.counts.outgoing.fetch_add(letter.body.len() as u64, Ordering::Relaxed);
        self.push(Work::Post(Box::new(letter), batch));
    }

    /// The history of a chain is wanted: of all that was handed over before.
    pub fn history(&self, ask: Ask) {
        self.push(Work::History(Box::new(ask)));
    }

    /// A process that has left the tree is wanted back.
    pub fn recall(&self, key: ProcessKey) {
        self.push(Work::Recall(key));
    }

    /// A chain is over, untold.
    pub fn forget(&self, chain: String) {
        self.push(Work::Forget(chain));
    }

    /// Other bounds.
    pub fn bound(&self, bounds: Bounds) {
        self.push(Work::Bounds(bounds));
    }

    /// The server has these updates.
    pub fn stored(&self, chain: String, serial: u64) {
        self.push(Work::Stored(chain, serial));
    }

    /// A session stands that takes chains, or none does.
    pub fn line(&self, takes: bool) {
        self.push(Work::Line(takes));
    }

    /// Says when all that was handed over before is written, or was found to be impossible to write.
    pub fn written(&self, answer: oneshot::Sender<()>) {
        // Nobody takes it any more: whoever waits is told so by its end.
        if !self.0.is_gone.load(Ordering::Relaxed) {
            self.push(Work::Written(answer));
        }
    }

    /// Ends the thread when all that waits is done.
    pub fn stop(&self) {
        self.push(Work::Stop);
    }

    fn push(&self, work: Work) {
        self.queue().push_back(work);
        self.0.bell.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Work>> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, wait: Duration) -> Option<Work> {
        let queue = self.queue();
        let (mut queue, _) = self
            .0
            .bell
            .wait_timeout_while(queue, wait, |queue| queue.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        queue.pop_front()
    }
}

/// The thread's own.
struct Keeper {
    disk: Disk,
    /// None for as long as it cannot be begun anew.
    ring: Option<Ring>,
    boot_id: String,
    bounds: Bounds,
    courier: Courier,
    outbox: Outbox,
    clock: Clock,
    tell: Tell,
    /// That the disk fails.
    is_told: bool,
    age: Age,
    /// Rows since the last look.
    written: usize,
}

impl Keeper {
    fn run(mut self) {
        if let Some(ring) = &self.ring
            && let Ok(waiting) = ring.waiting()
        {
            let bytes = self.courier.begin(waiting);
            self.disk.counts().outgoing.fetch_add(bytes, Ordering::Relaxed);
        }
        self.look();
        let mut looked = Instant::now();
        let mut is_busy = false;
        loop {
            let wait = if is_busy { TRIM } else { IDLE };
            match self.disk.next(wait) {
                Some(Work::Stop) => break,
                Some(work) => {
                    is_busy = true;
                    self.work(work);
                }
                None => is_busy = false,
            }
            if looked.elapsed() >= TRIM || !is_busy || self.written >= ROWS {
                (looked, self.written) = (Instant::now(), 0);
                self.look();
            }
        }
        self.disk.0.is_gone.store(true, Ordering::Relaxed);
    }

    fn work(&mut self, work: Work) {
        match work {
            Work::Write(batch) => {
                let rows = batch.processes.len() + batch.activities.len();
                let done = self.with(|ring| ring.write(&batch));
                let counts = self.disk.counts();
                counts.waiting.fetch_sub(rows, Ordering::Relaxed);
                self.written += rows;
                if done.is_none() {
                    counts.dropped.fetch_add(rows as u64, Ordering::Relaxed);
                }
            }
            Work::Post(letter, batch) => {
                let number = self.with(|ring| ring.post(&letter, &batch));
                self.courier.take(*letter, number);
                self.send();
            }
            Work::History(ask) => {
                let found = self.with(|ring| ring.history(&ask));
                let empty = Found { chain: ask.chain, ..Found::default() };
                (self.tell)(Answer::History(found.unwrap_or(empty)));
            }
            Work::Recall(key) => {
                let boot_id = self.boot_id.clone();
                let rows = self.with(|ring| ring.lineage(&boot_id, key));
                (self.tell)(Answer::Recalled(key, rows.unwrap_or_default()));
            }
            Work::Forget(chain) => {
                self.with(|ring| ring.forget(&chain));
            }
            Work::Bounds(bounds) => {
                self.bounds = bounds;
                self.look();
            }
            Work::Stored(chain, serial) => {
                self.with(|ring| ring.stored(&chain, serial));
                let bytes = self.courier.stored(&chain, serial);
                self.disk.counts().outgoing.fetch_sub(bytes, Ordering::Relaxed);
                self.send();
            }
            Work::Line(takes) => {
                self.courier.line(takes);
                self.send();
            }
            Work::Written(answer) => drop(answer.send(())),
            Work::Stop => {}
        }
    }

    fn send(&mut self) {
        while let Some(next) = self.courier.next() {
            let body = match next {
                Next::AtHand => None,
                Next::Row(number) => self.with(|ring| ring.letter(number)).flatten(),
            };
            self.courier.send(body);
        }
    }

    /// Size, age, and what is told of them. In small steps, between which others are served.
    fn look(&mut self) {
        let (bounds, now_us) = (self.bounds, self.age.now_us(self.clock.now_us(), since_boot()));
        for _ in 0..50 {
            if self.with(|ring| ring.trim(bounds, now_us)) != Some(true) {
                break;
            }
        }
        let facts = self.with(|ring| Ok((ring.size()?, ring.oldest_us()?)));
        if let Some(((used, whole), oldest)) = facts {
            let counts = self.disk.counts();
            counts.used.store(used, Ordering::Relaxed);
            counts.bytes.store(whole, Ordering::Relaxed);
            counts.oldest_us.store(oldest.unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Does something with the ring; a damaged one is begun anew, and that is told.
    fn with<T>(&mut self, work: impl FnOnce(&mut Ring) -> Result<T, ring::Error>) -> Option<T> {
        let done = work(self.ring.as_mut()?);
        let error = match done {
            Ok(value) => {
                if self.is_told {
                    self.is_told = false;
                    self.outbox.event("recorder_ring_back", &json!({}));
                }
                self.disk.counts().is_failing.store(false, Ordering::Relaxed);
                return Some(value);
            }
            Err(error) => error,
        };
        if error.is_damage() {
            self.outbox.event("recorder_ring_damaged", &json!({ "problem": chain(&error) }));
            self.disk.counts().renewed.fetch_add(1, Ordering::Relaxed);
            self.ring = self.ring.take().and_then(|ring| {
                ring.renew(&self.boot_id)
                    .inspect_err(|error| tracing::error!(error = chain(error), "no ring"))
                    .ok()
            });
            let (bytes, lost) = self.courier.lose_kept();
            self.disk.counts().outgoing.fetch_sub(bytes, Ordering::Relaxed);
            for chain in lost {
                (self.tell)(Answer::Lost(chain));
            }
        } else {
            self.disk.counts().is_failing.store(true, Ordering::Relaxed);
            if !self.is_told {
                self.is_told = true;
                self.outbox.event("recorder_ring_failed", &json!({ "problem": chain(&error) }));
            }
        }
        None
    }
}
