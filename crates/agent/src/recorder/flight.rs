//! The recorder's own thread: takes what the kernel told, keeps the tree, writes, judges and tells. Everything else is handed
//! to it or by it, and nothing here waits for a disk, a file or the network.

mod hits;
mod known;
mod met;
mod take;
mod tell;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quell_host::recorder::raw::Raw;
use quell_wire::activity::{Detection, Process, ProcessKey};
use tokio::sync::oneshot;

use super::chains::{Chain, Chains, Unseen};
use super::disk::{Answer, Disk};
use super::facts::{Learned, Reader};
use super::item::Item;
use super::judge::{Folds, Hit, Judge};
use super::met::Met;
use super::names::Names;
use super::prevent::{Done, Hand};
use super::ring::Bounds;
use super::settings::Current;
use super::times::{Times, since_boot};
use super::tree::{MOST, Reach, Tree};
use super::yara::Yara;

/// Events that wait for the thread; beyond that they are lost, and counted.
const WAITING: usize = 65_536;
/// What is written together.
const FLUSH: Duration = Duration::from_millis(250);
/// For how long an event waits for its file to be read, where rules or exclusions ask for that.
const PATIENCE: Duration = Duration::from_millis(60);
/// For how long a hit waits that a hash may exclude: to end what a person has excluded would be worse than to be late.
const INDECISION: Duration = Duration::from_millis(500);
/// Connections and questions that are remembered, for what is met of them later.
const RECENT: usize = 2048;
/// Connections whose end is not known yet.
const CONNECTIONS: usize = 8192;
/// Between two looks at chains that may be over.
const LOOK: Duration = Duration::from_mins(1);

/// What comes in.
#[derive(Debug)]
pub enum Input {
    Batch(Vec<Raw>),
    Learned(Learned),
    Disk(Answer),
    /// Rules about content matched.
    Matched(Arc<Item>, Vec<Hit>),
    /// What was killed has ended, or has not.
    Dealt(Arc<Item>, Box<Hit>, Done),
    Met(Met),
    /// The server wants no more of this chain.
    Closed(String),
    Current(Arc<Current>),
    Ask(Asked, oneshot::Sender<Result<Collected, &'static str>>),
    /// Somebody waits until all that came in before is on the disk.
    Write(oneshot::Sender<()>),
    Stop,
}

/// A chain that a person, or another product, asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Around this process, and what it did.
    pub key: ProcessKey,
    /// The event that was found; 0: its last start.
    pub activity: u64,
    /// It and its ancestors, by the ring.
    pub rows: Vec<Process>,
    /// For a person.
    pub note: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// The chain.
    pub chain_id: String,
    /// Where it begins.
    pub root: ProcessKey,
    /// The detection that stands for the question.
    pub detection_id: String,
    /// It was open already.
    pub is_joined: bool,
}

/// What is told of the thread.
#[derive(Debug, Default)]
pub struct Counts {
    /// Events that found no room in the queue, by [`quell_host::recorder::Kind`].
    pub lost: [AtomicU64; 8],
    /// Events of files whose process could not be told.
    pub unattributed: AtomicU64,
    /// Activity events.
    pub activities: AtomicU64,
    pub detections: AtomicU64,
    /// Hits that were folded.
    pub folded: AtomicU64,
    /// Hits that were told by nothing, for want of room.
    pub untold: AtomicU64,
    /// Groups that correlations forgot for want of room.
    pub forgotten_groups: AtomicU64,
    /// Processes in the tree, and those that were given up.
    pub processes: AtomicUsize,
    pub forgotten: AtomicU64,
    pub chains: AtomicUsize,
    pub rules: AtomicUsize,
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Inbox {
    queue: Mutex<VecDeque<Input>>,
    bell: Condvar,
    counts: Counts,
    is_gone: AtomicBool,
    /// Rules that are not in force, and why.
    refused: Mutex<Vec<(String, String)>>,
}

/// What others tell the thread by. Cheap to clone.
#[derive(Clone, Default)]
pub struct Door(Arc<Inbox>);

impl std::fmt::Debug for Door {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Door({} waiting)", self.0.counts.waiting.load(Ordering::Relaxed))
    }
}

impl Door {
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// What the kernel told; lost where too much waits.
    pub fn batch(&self, batch: Vec<Raw>) {
        let counts = &self.0.counts;
        if counts.waiting.load(Ordering::Relaxed) + batch.len() > WAITING {
            for kind in batch.iter().filter_map(|raw| raw.what.kind()) {
                if let Some(lost) = counts.lost.get(kind as usize) {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            return;
        }
        counts.waiting.fetch_add(batch.len(), Ordering::Relaxed);
        self.tell(Input::Batch(batch));
    }

    pub fn tell(&self, input: Input) {
        // Nobody takes it any more: whoever waits for an answer is told so by its end.
        if self.0.is_gone.load(Ordering::Relaxed) {
            return;
        }
        self.queue().push_back(input);
        self.0.bell.notify_one();
    }

    /// Rules that are not in force, and why.
    pub fn refused(&self) -> Vec<(String, String)> {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Events that wait.
    pub fn waiting(&self) -> usize {
        self.0.counts.waiting.load(Ordering::Relaxed)
    }

    /// Events that were lost in the queue.
    pub fn lost(&self) -> u64 {
        self.0.counts.lost.iter().map(|lost| lost.load(Ordering::Relaxed)).sum()
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Input>> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, until: Option<Instant>) -> Option<Input> {
        let mut queue = self.queue();
        loop {
            if let Some(input) = queue.pop_front() {
                return Some(input);
            }
            let Some(until) = until else {
                queue = self.0.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let (held, _) = self.0.bell.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner);
            queue = held;
        }
    }
}

/// The agent itself.
#[derive(Clone, Debug)]
pub struct Own {
    pub pid: u32,
    pub path: PathBuf,
}

/// Hits and events that wait until a file was read.
#[derive(Debug)]
struct Waiting {
    due: Instant,
    item: Arc<Item>,
    /// By rules about events.
    is_judged: bool,
    hits: Vec<Held>,
}

/// A hit that waits.
#[derive(Debug)]
struct Held {
    hit: Hit,
    /// None: it is not known yet whether anything is to be done.
    done: Option<Done>,
    /// Else it is counted, and only kept from going on.
    is_told: bool,
}

/// What the thread works with.
pub struct Flight {
    pub door: Door,
    pub tree: Tree,
    pub times: Times,
    pub names: Names,
    pub reader: Reader,
    pub yara: Yara,
    pub judge: Judge,
    pub hand: Hand,
    pub disk: Disk,
    pub own: Own,
    pub boot_id: String,
    /// What the sources could not tell until now.
    pub host_unseen: Box<dyn Fn() -> Unseen + Send>,
    /// The number of the next activity event.
    pub next_id: u64,
    /// Processes that ran when the agent ended, by the ring, until it is known which still do.
    pub before: HashMap<ProcessKey, Process>,
    state: State,
}

#[derive(Default)]
struct State {
    chains: Chains,
    folds: Folds,
    /// Groups that correlations of earlier rules forgot.
    groups: u64,
    /// To be written.
    items: Vec<Arc<Item>>,
    dirty: BTreeSet<ProcessKey>,
    gone: Vec<Process>,
    flush: Option<Instant>,
    flushed_id: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// The same of hits of which it is not known whether anything is to be done: these wait longer.
    undecided: BTreeMap<u64, Waiting>,
    recent: VecDeque<Arc<Item>>,
    /// What the guard met of processes that are not known yet, and until when these are waited for.
    early: VecDeque<(Instant, Met)>,
    connections: HashMap<u64, (u64, i64, ProcessKey)>,
    looked: Option<Instant>,
    swept: u64,
    /// Members of chains of an earlier run, until their processes are seen.
    members: HashMap<ProcessKey, (u32, Reach)>,
    /// Detections of processes that have left the tree, until these are back.
    recalling: Vec<(Arc<Item>, Detection)>,
    /// Hits by starts that were prevented before their content was known.
    unread: BTreeMap<u64, Hit>,
    /// Processes that were looked up in `/proc` because their beginning was missed; and in which second.
    looked_up: (u64, u32),
}

impl Flight {
    #[expect(clippy::too_many_arguments, reason = "it is put together in one place")]
    pub fn new(
        door: Door,
        times: Times,
        names: Names,
        reader: Reader,
        yara: Yara,
        hand: Hand,
        disk: Disk,
        own: Own,
        boot_id: String,
        next_id: u64,
    ) -> Self {
        Self {
            door,
            tree: Tree::default(),
            times,
            names,
            reader,
            yara,
            judge: Judge::default(),
            hand,
            disk,
            own,
            boot_id,
            host_unseen: Box::new(Unseen::default),
            next_id,
            before: HashMap::new(),
            state: State::default(),
        }
    }

    /// Until it is told to stop.
    pub fn run(mut self) {
        loop {
            match self.door.next(self.due()) {
                Some(Input::Stop) => break,
                Some(input) => self.input(input),
                None => {}
            }
            self.turn();
        }
        self.door.0.is_gone.store(true, Ordering::Relaxed);
        self.door.queue().clear();
        self.flush();
        self.disk.stop();
    }

    /// One input, for tests too.
    pub fn input(&mut self, input: Input) {
        self.times.look(since_boot());
        match input {
            Input::Batch(batch) => {
                self.names.look();
                for raw in batch {
                    self.take(raw);
                    // One by one: what is not reached, should this fall, is known to be lost.
                    self.door.0.counts.waiting.fetch_sub(1, Ordering::Relaxed);
                }
                self.first_is_over();
                self.met_early();
            }
            Input::Learned(learned) => self.learned(learned),
            Input::Disk(Answer::History(found)) => self.history(found),
            Input::Disk(Answer::Recalled(key, rows)) => self.recalled(key, rows),
            Input::Matched(item, hits) => self.matched(&item, hits),
            Input::Dealt(item, hit, done) => self.dealt(&item, *hit, done),
            Input::Met(met) => self.met(met),
            Input::Closed(id) => self.unwanted(&id),
            Input::Disk(Answer::Lost(id)) => self.closed(&id),
            Input::Current(current) => self.settle(current),
            Input::Ask(asked, answer) => drop(answer.send(self.asked(&asked))),
            Input::Write(answer) => self.write_out(answer),
            Input::Stop => {}
        }
    }

    /// What is due.
    pub fn turn(&mut self) {
        let now = Instant::now();
        self.overdue(now);
        if self.state.early.front().is_some_and(|(until, _)| *until <= now) {
            self.met_early();
        }
        if self.state.flush.is_some_and(|due| due <= now) {
            self.flush();
        }
        self.tell(now);
        if self.state.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.state.looked = Some(now);
            self.close_quiet();
        }
        let boot = since_boot();
        let is_full = self.tree.len() > MOST;
        if is_full
            || self.tree.due().is_some_and(|due| due <= boot)
            || boot.saturating_sub(self.state.swept) > 1_000_000_000
        {
            self.state.swept = boot;
            self.sweep(boot);
        }
        let counts = self.door.counts();
        counts.processes.store(self.tree.len(), Ordering::Relaxed);
        counts.forgotten.store(self.tree.forgotten, Ordering::Relaxed);
        counts.chains.store(self.state.chains.len(), Ordering::Relaxed);
        counts.forgotten_groups.store(self.forgotten_groups(), Ordering::Relaxed);
    }

    fn due(&self) -> Option<Instant> {
        let chains =
            (self.state.chains.len() > 0).then(|| self.state.looked.map(|looked| looked + LOOK)).flatten();
        // The dead are swept within the second: nothing depends on the moment.
        let dead = self.tree.due().map(|_| Instant::now() + Duration::from_secs(1));
        // Those that came first are due first.
        let first = |waiting: &BTreeMap<u64, Waiting>| waiting.values().next().map(|waiting| waiting.due);
        let (waiting, undecided) = (first(&self.state.waiting), first(&self.state.undecided));
        let folds = self.state.folds.due();
        let early = self.state.early.front().map(|(until, _)| *until);
        let all = [self.state.flush, self.state.chains.due(), folds, waiting, undecided, early, chains, dead];
        all.into_iter().flatten().min()
    }

    fn settle(&mut self, current: Arc<Current>) {
        let bounds = Bounds { bytes: current.document.ring_bytes, age_s: current.document.ring_age_s };
        self.disk.bound(bounds);
        self.state.groups += self.judge.forgotten();
        self.judge = Judge::new(current.clone());
        self.hand.renew(self.judge.prevents());
        self.yara.rules(&current);
        self.reader.scans(self.yara.is_on());
        self.door.counts().rules.store(self.judge.count(), Ordering::Relaxed);
        let refused = std::mem::take(&mut self.judge.refused);
        *self.door.0.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }

    fn forgotten_groups(&self) -> u64 {
        self.state.groups.saturating_add(self.judge.forgotten())
    }

    fn unseen(&self) -> Unseen {
        let sources = (self.host_unseen)();
        // What a correlation forgot may have been the one hit that was missing.
        let lost = sources.lost.saturating_add(self.door.lost()).saturating_add(self.forgotten_groups());
        Unseen { lost, ..sources }
    }

    /// Puts the chains of an earlier run where they belong; nothing more comes of those of another boot. `missed`: what was lost
    /// between the runs.
    pub fn resume(&mut self, kept: Vec<(super::ring::KeptChain, Option<String>)>, missed: u64) {
        let unseen = self.unseen();
        for (mut state, other_boot) in kept {
            let slot = self.state.chains.slot();
            let members = state.members.clone();
            if let Some(boot_id) = other_boot {
                let mut chain = Chain::resumed(slot, std::mem::take(&mut state), unseen);
                chain.is_closing = true;
                if let Some((letter, batch)) = chain.cut(&boot_id, unseen, &|_| None) {
                    self.disk.post(letter, batch);
                }
                continue;
            }
            self.state.members.extend(members.into_iter().map(|(key, reach)| (key, (slot, reach))));
            let mut chain = Chain::resumed(slot, state, unseen);
            if missed > 0 {
                chain.missed(missed);
            }
            self.state.chains.insert(chain);
        }
    }
}

#[cfg(test)]
mod tests;
