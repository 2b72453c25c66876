//! Threat development chains: what is told of the process tree around a detection, in numbered updates, for as long as it is
//! open.

mod cut;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_wire::activity::{Activity, Detection, Gaps, Process, ProcessKey, Severity, Source};
use quell_wire::limits;

use super::item::Item;
use super::ring::{Found, KeptChain};
use super::times::since_boot;
use super::tree::Reach;

/// What is new of a chain is gathered for so long; a detection goes at once.
pub const GATHER: Duration = Duration::from_millis(250);
/// Without a detection for so long a chain is closed. Seconds, by a clock that nobody sets.
pub const QUIET_S: u64 = 24 * 3600;
/// Processes of one chain that are kept room for.
const RESERVE: usize = 100;
/// Rules of which the first detection is remembered.
const FIRST: usize = 64;
/// Activity events of one chain that wait for an update.
const WAITING: usize = 4000;

/// One activity event that waits to be told.
#[derive(Clone, Debug)]
pub enum Piece {
    /// In memory: facts may still come.
    Item(Arc<Item>),
    /// From the ring.
    Row(Box<Activity>),
}

impl Piece {
    pub fn id(&self) -> u64 {
        match self {
            Self::Item(item) => item.id,
            Self::Row(activity) => activity.id,
        }
    }
}

/// What an endpoint could not tell, until a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unseen {
    /// Events that were lost.
    pub lost: u64,
    /// Files that came and went with their directory.
    pub vanished_files: u64,
}

/// Seconds since boot.
pub fn now_s() -> u64 {
    since_boot() / 1_000_000_000
}

/// An open chain.
#[derive(Debug)]
pub struct Chain {
    pub slot: u32,
    pub root: ProcessKey,
    pub state: KeptChain,
    /// Processes that were told, or are about to be.
    told: BTreeSet<ProcessKey>,
    /// Of these, those that are new or changed.
    fresh: BTreeSet<ProcessKey>,
    /// Processes from the ring.
    rows: VecDeque<Process>,
    pieces: VecDeque<Piece>,
    /// Numbers of activity events that are told from memory.
    at_hand: BTreeSet<u64>,
    detections: VecDeque<(Detection, Option<Arc<Item>>)>,
    /// Detections whose event comes from the ring.
    later: Vec<Detection>,
    /// How often the ring was asked and has not answered yet; and events whose facts came meanwhile, since what it answers with may
    /// have been read before that.
    asked: u32,
    meanwhile: BTreeMap<u64, Arc<Item>>,
    /// The first detection of each rule, for what is said when it hits more often.
    first: Vec<Detection>,
    /// Not yet on the disk.
    members: Vec<(ProcessKey, Reach)>,
    /// The largest number of an activity event that was told.
    told_id: u64,
    /// What the endpoint could not tell before it was opened.
    before: Unseen,
    /// The same of an earlier run of the agent, while it was open.
    earlier: Unseen,
    pub due: Option<Instant>,
    gaps_changed: bool,
    /// It is to be closed, once all is told.
    pub is_closing: bool,
}

impl Chain {
    /// A new one.
    pub fn new(slot: u32, id: String, root: ProcessKey, unseen: Unseen) -> Self {
        let (root_pid, root_start, detected_s) = (root.pid, root.start, now_s());
        let state = KeptChain { id, root_pid, root_start, detected_s, ..KeptChain::default() };
        Self::of(slot, state, unseen)
    }

    /// One that was open when the agent ended.
    pub fn resumed(slot: u32, mut state: KeptChain, unseen: Unseen) -> Self {
        let members = std::mem::take(&mut state.members);
        let mut chain = Self::of(slot, state, unseen);
        chain.told = members.into_iter().map(|(key, _)| key).collect();
        chain
    }

    fn of(slot: u32, state: KeptChain, before: Unseen) -> Self {
        Self {
            slot,
            root: ProcessKey { pid: state.root_pid, start: state.root_start },
            before,
            earlier: Unseen { lost: state.lost, vanished_files: state.vanished_files },
            state,
            told: BTreeSet::new(),
            fresh: BTreeSet::new(),
            rows: VecDeque::new(),
            pieces: VecDeque::new(),
            at_hand: BTreeSet::new(),
            detections: VecDeque::new(),
            later: Vec::new(),
            asked: 0,
            meanwhile: BTreeMap::new(),
            first: Vec::new(),
            members: Vec::new(),
            told_id: 0,
            due: None,
            gaps_changed: false,
            is_closing: false,
        }
    }

    /// Something new is told within the time.
    pub fn hurry(&mut self, within: Duration) {
        let due = Instant::now() + within;
        self.due = Some(self.due.map_or(due, |known| known.min(due)));
    }

    /// A process came into it, or changed. Whether it found room.
    pub fn process(&mut self, key: ProcessKey) -> bool {
        self.process_within(key, limits::CHAIN_PROCESSES - RESERVE)
    }

    /// The same of one that a rule hit, or that leads to it: some room is kept for these.
    pub fn key_process(&mut self, key: ProcessKey) -> bool {
        self.process_within(key, limits::CHAIN_PROCESSES)
    }

    fn process_within(&mut self, key: ProcessKey, most: usize) -> bool {
        if !self.told.contains(&key) {
            if self.told.len() >= most {
                self.state.processes_beyond += 1;
                self.gaps_changed = true;
                self.hurry(GATHER);
                return false;
            }
            self.told.insert(key);
            self.state.processes += 1;
        }
        self.fresh.insert(key);
        self.hurry(GATHER);
        true
    }

    /// A process that is told already changed.
    pub fn changed(&mut self, key: ProcessKey) {
        if self.told.contains(&key) && self.fresh.insert(key) {
            self.hurry(GATHER);
        }
    }

    /// Whether it is told of this process.
    pub fn tells(&self, key: ProcessKey) -> bool {
        self.told.contains(&key)
    }

    /// Whether a process is still to be told, or told anew.
    pub fn waits(&self, key: ProcessKey) -> bool {
        self.fresh.contains(&key)
    }

    /// A process leaves the tree before that: this is how it was.
    pub fn gone(&mut self, process: Process) {
        if self.fresh.remove(&process.key) {
            self.rows.push_back(process);
        }
    }

    /// A process belongs to it, as far as it reaches.
    pub fn enlist(&mut self, members: &[(ProcessKey, Reach)]) {
        self.members.extend(members);
    }

    /// An activity event of one of its processes.
    pub fn activity(&mut self, item: &Arc<Item>) {
        if !self.tells(item.key) || !self.room() {
            self.state.activities_beyond += 1;
            self.gaps_changed = true;
            self.hurry(GATHER);
            return;
        }
        self.state.activities += 1;
        self.at_hand.insert(item.id);
        self.pieces.push_back(Piece::Item(item.clone()));
        self.hurry(GATHER);
    }

    fn room(&self) -> bool {
        self.state.activities < limits::CHAIN_ACTIVITIES as u64 && self.pieces.len() < WAITING
    }

    /// An event is another now, or its facts have come: it is told again where it was told without.
    pub fn facts(&mut self, item: &Arc<Item>) {
        self.changed(item.key);
        if self.asked > 0 && self.meanwhile.len() < WAITING {
            self.meanwhile.insert(item.id, item.clone());
        }
        if let Some(waits) = self.pieces.iter_mut().find(|piece| piece.id() == item.id) {
            *waits = Piece::Item(item.clone());
        } else if item.id <= self.told_id && self.tells(item.key) && self.pieces.len() < WAITING {
            self.pieces.push_back(Piece::Item(item.clone()));
            self.hurry(GATHER);
        }
    }

    /// The ring is asked for its history.
    pub fn asks(&mut self) {
        self.asked += 1;
    }

    /// A rule hit. It goes at once; where there is no room for more of its kind, that is counted. Whether there was.
    pub fn detection(&mut self, detection: Detection, key: Option<Arc<Item>>) -> bool {
        if self.state.detections >= room_for(&detection) {
            self.missed(1);
            return false;
        }
        self.state.detections += 1;
        self.state.detected_s = now_s();
        if self.first.len() < FIRST && self.first.iter().all(|first| first.rule != detection.rule) {
            self.first.push(detection.clone());
        }
        self.at_hand.extend(key.as_ref().map(|item| item.id));
        self.detections.push_back((detection, key));
        self.hurry(Duration::ZERO);
        true
    }

    /// The same, once the history has come. Whether there is room, as far as that is known.
    pub fn later(&mut self, detection: Detection) -> bool {
        self.later.push(detection);
        true
    }

    /// A rule hit so many times more, last with that activity event. Whether that is told.
    pub fn folded(&mut self, rule: &str, count: u64, last: u64, now_us: i64) -> bool {
        let Some(first) = self.first.iter().find(|first| first.rule == rule) else {
            // Of a rule that is none of so many; else it was excluded when more was known.
            let is_beyond = self.first.len() >= FIRST;
            if is_beyond {
                self.missed(count);
            }
            return !is_beyond;
        };
        let note = format!("The rule hit {count} times more within a minute, with the same program.");
        let detection = Detection { id: super::uuid(), at_us: now_us, activity: last, note, ..first.clone() };
        self.detection(detection, None)
    }

    /// Processes of the tree for which there was no room.
    pub fn beyond(&mut self, processes: u64) {
        self.state.processes_beyond += processes;
    }

    /// Its history came from the ring.
    pub fn history(&mut self, found: Found) {
        self.asked = self.asked.saturating_sub(1);
        for process in found.processes {
            if self.told.len() >= limits::CHAIN_PROCESSES - RESERVE {
                self.state.processes_beyond += 1;
            } else if self.told.insert(process.key) {
                self.state.processes += 1;
                self.members.push((process.key, Reach::Itself));
                self.rows.push_back(process);
            }
        }
        // Asked for by hundreds; what waits is bounded by what one chain may have.
        for activity in found.activities {
            // What is told from memory is newer than its row.
            if self.at_hand.contains(&activity.id) {
                continue;
            }
            if self.tells(activity.process) && self.state.activities < limits::CHAIN_ACTIVITIES as u64 {
                self.state.activities += 1;
                let meanwhile = self.meanwhile.remove(&activity.id);
                self.pieces.push_back(meanwhile.map_or_else(|| Piece::Row(Box::new(activity)), Piece::Item));
            } else {
                self.state.activities_beyond += 1;
            }
        }
        if self.asked == 0 {
            self.meanwhile.clear();
        }
        self.state.processes_beyond += found.processes_beyond;
        self.state.activities_beyond += found.activities_beyond;
        self.gaps_changed = true;
        self.hurry(Duration::ZERO);
        for detection in std::mem::take(&mut self.later) {
            self.detection(detection, None);
        }
    }

    /// Part of it was before the recorder, or is not kept any more.
    pub fn begins_late(&mut self) {
        if !self.state.begins_late {
            self.state.begins_late = true;
            self.gaps_changed = true;
        }
    }

    /// Nothing waits to be told.
    pub fn is_told(&self) -> bool {
        self.fresh.is_empty()
            && self.rows.is_empty()
            && self.pieces.is_empty()
            && self.detections.is_empty()
            && !self.gaps_changed
    }

    /// What waits finds no room on the way: it is counted, and what is told later goes on from there. Detections stay, with
    /// their processes.
    pub fn drop_waiting(&mut self) {
        let before = self.rows.len() + self.fresh.len();
        let detected = self.detected();
        self.rows.retain(|process| detected.contains(&process.key));
        self.fresh.retain(|key| detected.contains(key));
        self.state.processes_beyond += (before - self.rows.len() - self.fresh.len()) as u64;
        self.state.activities_beyond += self.pieces.len() as u64;
        self.pieces.clear();
        self.gaps_changed = true;
    }

    /// The processes of detections that wait.
    fn detected(&self) -> BTreeSet<ProcessKey> {
        self.detections.iter().filter_map(|(_, item)| item.as_ref()).map(|item| item.key).collect()
    }

    /// Those of them that are still to be told, and that may have left the tree by then.
    pub fn unnamed(&self) -> Vec<ProcessKey> {
        self.detected().into_iter().filter(|key| self.waits(*key)).collect()
    }

    /// Detections that wait.
    pub fn undelivered(&self) -> u64 {
        (self.detections.len() + self.later.len()) as u64
    }

    /// So much was lost while nobody counted.
    pub fn missed(&mut self, count: u64) {
        self.earlier.lost = self.earlier.lost.saturating_add(count);
        self.gaps_changed = true;
        self.hurry(GATHER);
    }

    /// What it lacks. `unseen`: as it stands with the endpoint now.
    pub fn gaps(&mut self, unseen: Unseen) -> Gaps {
        let since = |now: u64, before: u64, earlier: u64| earlier.saturating_add(now.saturating_sub(before));
        let (before, earlier) = (self.before, self.earlier);
        self.state.lost = since(unseen.lost, before.lost, earlier.lost);
        self.state.vanished_files =
            since(unseen.vanished_files, before.vanished_files, earlier.vanished_files);
        Gaps {
            lost: self.state.lost,
            vanished_files: self.state.vanished_files,
            processes_beyond: self.state.processes_beyond,
            activities_beyond: self.state.activities_beyond,
            begins_late: self.state.begins_late,
        }
    }
}

/// How many detections a chain may have before this one finds no room: a flood of mild ones must leave some for worse, and for who
/// asks.
fn room_for(detection: &Detection) -> u64 {
    let most = limits::CHAIN_DETECTIONS as u64;
    let is_asked = detection.source == i32::from(Source::Asked);
    match Severity::try_from(detection.severity) {
        Ok(Severity::Critical) => most,
        _ if is_asked => most,
        Ok(Severity::High) => most - most / 20,
        _ => most - most / 4,
    }
}

/// All open chains, and those that wait to tell that they are over.
#[derive(Debug, Default)]
pub struct Chains {
    open: BTreeMap<u32, Chain>,
    next: u32,
}

impl Chains {
    pub fn slot(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    pub fn insert(&mut self, chain: Chain) {
        self.open.insert(chain.slot, chain);
    }

    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Chain> {
        self.open.get_mut(&slot)
    }

    pub fn get(&self, slot: u32) -> Option<&Chain> {
        self.open.get(&slot)
    }

    pub fn remove(&mut self, slot: u32) -> Option<Chain> {
        self.open.remove(&slot)
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.values().filter(|chain| !chain.is_closing).count()
    }

    /// Those that wait to tell that they are over, the oldest first.
    pub fn closing(&self) -> Vec<u32> {
        self.open.values().filter(|chain| chain.is_closing).map(|chain| chain.slot).collect()
    }

    pub fn slots(&self) -> Vec<u32> {
        self.open.keys().copied().collect()
    }

    /// The one of this id.
    pub fn by_id(&self, id: &str) -> Option<u32> {
        self.open.values().find(|chain| chain.state.id == id).map(|chain| chain.slot)
    }

    /// The one that is told of this process: for what has left the tree. One that is open, if any is.
    pub fn of(&self, key: ProcessKey) -> Option<u32> {
        let those = self.open.values().filter(|chain| chain.tells(key));
        those.min_by_key(|chain| chain.is_closing).map(|chain| chain.slot)
    }

    /// The open one without a detection for longest.
    pub fn quietest(&self) -> Option<u32> {
        let those = self.open.values().filter(|chain| !chain.is_closing);
        those.min_by_key(|chain| chain.state.detected_s).map(|chain| chain.slot)
    }

    /// When the next one is to be told of.
    pub fn due(&self) -> Option<Instant> {
        self.open.values().filter_map(|chain| chain.due).min()
    }
}

#[cfg(test)]
mod tests;
