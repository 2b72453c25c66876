//! Every live process, and dead ones for as long as something hangs on them.
//!
//! A process is known by its key, so that a pid that is handed out again is another one. Parent links are those of the moment
//! of the fork; where that was missed, a parent is believed only if it cannot be one that merely took the process over.

mod look;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use quell_wire::activity::{Process, ProcessKey};

pub use self::look::is_one_of;
use super::item::Program;

/// Processes that are held.
pub const MOST: usize = 32_768;
/// For how long the dead are held, in case that something of theirs comes late. Nanoseconds.
const GRACE: u64 = 3_000_000_000;
/// Pid 1.
const FIRST: u32 = 1;

/// What relatives share until one changes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    pub uid: u32,
    pub login: Option<u32>,
    pub pid_namespace: u32,
    pub mounts: u32,
}

/// How far a chain reaches from one of its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The process itself.
    Itself,
    /// And its children.
    Children,
    /// And everything that descends from it.
    All,
}

impl Reach {
    /// Of a child.
    pub fn below(self) -> Option<Self> {
        match self {
            Self::Itself => None,
            Self::Children => Some(Self::Itself),
            Self::All => Some(Self::All),
        }
    }

    pub fn number(self) -> u8 {
        match self {
            Self::Itself => 0,
            Self::Children => 1,
            Self::All => 2,
        }
    }

    pub fn of(number: u8) -> Self {
        match number {
            0 => Self::Itself,
            1 => Self::Children,
            _ => Self::All,
        }
    }
}

/// Whether somebody was let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LetIn {
    /// Not that it is known.
    #[default]
    Nobody,
    /// This user at this time, nanoseconds since boot, if nothing that comes says otherwise.
    Perhaps(u32, u64),
    /// Somebody, and that is told.
    Told,
}

/// One process.
#[derive(Debug, Default)]
pub struct Entry {
    pub parent: Option<ProcessKey>,
    pub children: BTreeSet<ProcessKey>,
    pub program: Arc<Program>,
    /// When it began to run that; nanoseconds since boot.
    pub program_at: u64,
    pub who: Arc<Who>,
    /// Nanoseconds since boot.
    pub started: u64,
    /// When, and how as far as that is known.
    pub ended: Option<(u64, Option<u32>)>,
    pub from_before: bool,
    pub incomplete: bool,
    /// The agent, or a helper of its own.
    pub own: bool,
    /// Number of the activity event of its last start; 0 where it has none.
    pub start_id: u64,
    /// The ring has, or is about to have, a row of it.
    pub is_kept: bool,
    /// Of a process that serves somebody who came in over the network.
    pub let_in: LetIn,
    /// Where that one came from.
    pub came_from: Option<IpAddr>,
    /// The chain that it belongs to.
    pub chain: Option<(u32, Reach)>,
}

/// The tree.
#[derive(Debug)]
pub struct Tree {
    entries: HashMap<ProcessKey, Entry>,
    /// Processes by pid, in the order in which they started.
    pids: HashMap<u32, Vec<u64>>,
    /// Since when they are dead.
    dead: VecDeque<(u64, ProcessKey)>,
    /// Dead ones that others hang on, in that order.
    kept: BTreeSet<(u64, ProcessKey)>,
    most: usize,
    /// Processes that were given up although something hung on them, or although they lived.
    pub forgotten: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl Tree {
    pub fn new(most: usize) -> Self {
        Self {
            entries: HashMap::new(),
            pids: HashMap::new(),
            dead: VecDeque::new(),
            kept: BTreeSet::new(),
            most,
            forgotten: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn get(&self, key: ProcessKey) -> Option<&Entry> {
        self.entries.get(&key)
    }

    pub fn get_mut(&mut self, key: ProcessKey) -> Option<&mut Entry> {
        self.entries.get_mut(&key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (ProcessKey, &Entry)> {
        self.entries.iter().map(|(key, entry)| (*key, entry))
    }

    /// Takes a process in; where it is known already, nothing changes but a parent that was missing.
    pub fn insert(&mut self, key: ProcessKey, mut entry: Entry) {
        // Nothing is its own ancestor, and a parent does not start after its child.
        entry.parent = entry.parent.filter(|parent| parent.start <= key.start && *parent != key);
        if let Some(known) = self.entries.get_mut(&key) {
            if known.ended.is_some_and(|(at, _)| at < entry.started) {
                return self.again(key, entry);
            }
            if let Some(parent) = entry.parent
                && known.parent.is_none()
            {
                self.adopt(key, parent);
            }
            return;
        }
        let starts = self.pids.entry(key.pid).or_default();
        let at = starts.partition_point(|start| *start < key.start);
        starts.insert(at, key.start);
        let parent = entry.parent.take();
        let ended = entry.ended;
        self.entries.insert(key, entry);
        if let Some((at, _)) = ended {
            self.dead.push_back((at, key));
        }
        if let Some(parent) = parent {
            self.adopt(key, parent);
        }
    }

    /// A pid was handed out again within the tick that its last owner began in, which somebody must have seen to: both have one
    /// key, and what is told by it is not complete. The one that lives counts.
    fn again(&mut self, key: ProcessKey, mut entry: Entry) {
        let Some(known) = self.entries.get_mut(&key) else { return };
        let (before, parent, ended) = (known.parent, entry.parent, known.ended);
        entry.children = std::mem::take(&mut known.children);
        (entry.is_kept, entry.chain, entry.parent) = (known.is_kept, known.chain, before);
        entry.incomplete = true;
        *known = entry;
        if let Some((at, _)) = ended {
            self.kept.remove(&(at, key));
        }
        if parent == before {
            return;
        }
        if let Some(above) = before.and_then(|before| self.entries.get_mut(&before)) {
            above.children.remove(&key);
        }
        if let Some(entry) = self.entries.get_mut(&key) {
            (entry.parent, entry.chain) = (None, None);
        }
        if let Some(parent) = parent {
            self.adopt(key, parent);
        }
    }

    /// Hangs a process below another, with the chain that reaches so far.
    fn adopt(&mut self, key: ProcessKey, parent: ProcessKey) {
        let inherited = match self.entries.get_mut(&parent) {
            Some(above) => {
                above.children.insert(key);
                above.chain.and_then(|(chain, reach)| Some((chain, reach.below()?)))
            }
            None => None,
        };
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.parent = Some(parent);
            entry.chain = entry.chain.or(inherited);
        }
    }

    /// A process ended.
    pub fn end(&mut self, key: ProcessKey, at: u64, status: Option<u32>) {
        if let Some(entry) = self.entries.get_mut(&key)
            && entry.ended.is_none()
        {
            entry.ended = Some((at, status));
            self.dead.push_back((at, key));
        }
    }

    /// A process began to run another program. Children that were forked after that, and were heard of before it, run it too.
    pub fn begin(&mut self, key: ProcessKey, program: &Arc<Program>, at: u64, start_id: u64) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.program_at > at {
            return;
        }
        let before = std::mem::replace(&mut entry.program, program.clone());
        entry.program_at = at;
        entry.start_id = start_id;
        let late: Vec<ProcessKey> = entry.children.iter().rev().copied().take(64).collect();
        for child in late {
            if let Some(below) = self.entries.get_mut(&child)
                && below.started >= at
                && Arc::ptr_eq(&below.program, &before)
            {
                below.program = program.clone();
                below.start_id = start_id;
            }
        }
    }

    /// Who had this pid at that moment. `slack`: how much later than it happened an event may be told; where two had the pid
    /// meanwhile, nobody is named.
    pub fn at(&self, pid: u32, at: u64, slack: u64) -> Option<ProcessKey> {
        let starts = self.pids.get(&pid)?.iter().rev();
        let mut had = starts.filter_map(|start| {
            let key = ProcessKey { pid, start: *start };
            self.entries.get(&key).filter(|entry| entry.started <= at).map(|entry| (key, entry))
        });
        let (key, latest) = had.next()?;
        let is_fresh = latest.started.saturating_add(slack) > at;
        let before = had.next().and_then(|(_, entry)| entry.ended);
        let is_either = is_fresh && before.is_some_and(|(ended, _)| ended.saturating_add(slack) >= at);
        (!is_either).then_some(key)
    }

    /// Forgets the dead that nothing hangs on. `give_up` is told each, before it is gone.
    pub fn sweep(&mut self, now: u64, mut give_up: impl FnMut(ProcessKey, &Entry)) {
        while let Some((at, key)) = self.dead.front().copied() {
            let is_due = at.saturating_add(GRACE) <= now;
            if !is_due && self.entries.len() <= self.most {
                break;
            }
            self.dead.pop_front();
            match self.entries.get(&key) {
                // Its key was handed out again.
                Some(entry) if entry.ended.is_none_or(|(ended, _)| ended != at) => {}
                Some(entry) if !entry.children.is_empty() => {
                    self.kept.insert((at, key));
                }
                Some(_) => self.remove(key, &mut give_up),
                None => {}
            }
        }
        self.press(&mut give_up);
    }

    /// When the next of the dead is due, nanoseconds since boot.
    pub fn due(&self) -> Option<u64> {
        self.dead.front().map(|(at, _)| at.saturating_add(GRACE))
    }

    /// Too many: first dead ancestors, those that ended longest ago; then live ones that did nothing.
    fn press(&mut self, give_up: &mut impl FnMut(ProcessKey, &Entry)) {
        while self.entries.len() > self.most {
            let Some((_, key)) = self.kept.pop_first() else { break };
            self.forgotten += 1;
            self.remove(key, give_up);
        }
        if self.entries.len() <= self.most {
            return;
        }
        let excess = self.entries.len() - self.most;
        let idle = |entry: &Entry| {
            !entry.is_kept && entry.chain.is_none() && entry.children.is_empty() && !entry.own
        };
        let mut victims: Vec<ProcessKey> =
            self.iter().filter(|(key, entry)| key.pid != FIRST && idle(entry)).map(|(key, _)| key).collect();
        if victims.len() < excess {
            victims.extend(
                self.iter()
                    .filter(|(key, entry)| {
                        key.pid != FIRST && !idle(entry) && entry.children.is_empty() && !entry.own
                    })
                    .map(|(key, _)| key),
            );
        }
        // A sixteenth at once, so that this is not done for each.
        for key in victims.into_iter().take(excess + self.most / 16) {
            self.forgotten += 1;
            self.remove(key, give_up);
        }
    }

    fn remove(&mut self, key: ProcessKey, give_up: &mut impl FnMut(ProcessKey, &Entry)) {
        let mut next = Some(key);
        while let Some(key) = next.take() {
            let Some(entry) = self.entries.remove(&key) else { return };
            give_up(key, &entry);
            if let Some(starts) = self.pids.get_mut(&key.pid) {
                starts.retain(|start| *start != key.start);
                if starts.is_empty() {
                    self.pids.remove(&key.pid);
                }
            }
            let Some(parent) = entry.parent else { return };
            let Some(above) = self.entries.get_mut(&parent) else { return };
            above.children.remove(&key);
            // Nothing hangs on it any more.
            if let Some((at, _)) = above.ended
                && above.children.is_empty()
                && self.kept.remove(&(at, parent))
            {
                next = Some(parent);
            }
        }
    }

    /// As the protocol has it. `user` names accounts, `container` what is in a mount namespace, `wall` times.
    pub fn process(
        &self,
        key: ProcessKey,
        user: impl Fn(u32) -> String,
        container: impl Fn(u32) -> String,
        wall: impl Fn(u64) -> i64,
    ) -> Option<Process> {
        let entry = self.entries.get(&key)?;
        Some(entry.process(key, user(entry.who.uid), container(entry.who.mounts), wall))
    }
}

impl Entry {
    /// As the protocol has it.
    pub fn process(
        &self,
        key: ProcessKey,
        user: String,
        container: String,
        wall: impl Fn(u64) -> i64,
    ) -> Process {
        Process {
            key,
            parent: self.parent,
            image: self.program.image(),
            uid: self.who.uid,
            user,
            login_uid: self.who.login,
            started_at_us: wall(self.started),
            ended_at_us: self.ended.map_or(0, |(at, _)| wall(at).max(1)),
            exit_status: self.ended.and_then(|(_, status)| status).unwrap_or(0),
            pid_namespace: self.who.pid_namespace.into(),
            container,
            from_before: self.from_before,
            incomplete: self.incomplete || matches!(self.ended, Some((_, None))),
        }
    }
}

#[cfg(test)]
mod tests;
