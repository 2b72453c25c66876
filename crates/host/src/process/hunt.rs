//! Ending a process with everything that came from it, faster than it can multiply.
//!
//! First freeze, then kill: a stopped process cannot fork, so the set stops growing, and only then does it
//! get smaller. Killing one by one loses against a fork bomb.
//!
//! What counts as the tree: descendants by parent pid; the members of a process group or session whose
//! leader is in the tree, however their parents ended (the kernel signals a whole group in one step, which
//! no fork slips through); and what was seen as a child of a member at any scan. What escapes: a process
//! that left group and session (`setsid`) *and* whose parent ended before the first scan. A supervisor that
//! is a child subreaper leaves no such gap: see [`end_descendants`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::boost::Boost;
use super::{Error, Guard, Identity, Row, State, Target, rows};

/// Scans in which the tree may still grow before killing starts anyway.
const FREEZE_ROUNDS: u32 = 400;
/// Of the time limit, the part that freezing may take.
const FREEZE_SHARE: u32 = 2;
/// Members named in the report; the rest is only counted.
const NAMED: usize = 256;

/// How far the end reaches beyond the descendants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Descendants, and groups and sessions that one of them or the root leads.
    #[default]
    Tree,
    /// Also the root's own process group, whoever leads it.
    Group,
    /// Also the root's own session, whoever leads it.
    Session,
}

/// A process of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which.
    pub identity: Identity,
    /// Its short name when it was caught.
    pub name: OsString,
}

/// What became of a tree.
#[derive(Debug, Clone, Default)]
pub struct TreeTerminated {
    /// How many processes were caught, the root included; all have ended but those in `left`.
    pub ended: u64,
    /// The first 256 of them, parents before children.
    pub members: Vec<Member>,
    /// Protected processes met on the way and left alone, at most 256.
    pub spared: Vec<Member>,
    /// Members that still run at the end of the time, at most 256; empty means that all are gone.
    pub left: Vec<Member>,
    /// Scans of `/proc` that it took.
    pub rounds: u32,
}

/// Ends `root` and its tree within `limit`. The root is checked as [`super::terminate`] checks it.
pub fn terminate_tree(
    root: Identity,
    scope: Scope,
    limit: Duration,
    guard: &Guard,
) -> Result<TreeTerminated, Error> {
    let pid = root.pid;
    if pid <= 1 {
        return Err(Error::Protected { pid, why: super::Protection::Init });
    }
    let (_held, row) = Target::open(root)?;
    guard.check(&row)?;
    if row.is_dead() {
        return Err(Error::Zombie { pid });
    }
    let mut hunt = Hunt::new(guard);
    match scope {
        Scope::Tree => {}
        Scope::Group => drop(hunt.groups.insert(row.group)),
        Scope::Session => drop(hunt.sessions.insert(row.session)),
    }
    hunt.catch(&row);
    hunt.run(limit)
}

/// Ends everything that descends from the calling process, within `limit`. When the caller is a child
/// subreaper this is complete: whatever loses its parent becomes the caller's child.
///
/// `hold` is called between scans and must collect the caller's ended children (`waitpid`), which would
/// otherwise pile up as zombies.
pub fn end_descendants(limit: Duration, hold: &mut dyn FnMut()) -> Result<TreeTerminated, Error> {
    let guard = Guard::new()?;
    let mut hunt = Hunt::new(&guard);
    hunt.anchor = Some(Identity::own()?);
    hunt.between = Some(hold);
    hunt.run(limit)
}

/// Descendants of `root` in one set of rows, parents first.
pub(super) fn descend(root: Identity, rows: &[Row]) -> Vec<Identity> {
    let mut children: HashMap<u32, Vec<&Row>> = HashMap::new();
    for row in rows {
        children.entry(row.ppid).or_default().push(row);
    }
    let mut found = vec![root];
    let mut seen = BTreeSet::from([root.pid]);
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        for row in children.get(&parent.pid).into_iter().flatten() {
            if row.start_time >= parent.start_time && seen.insert(row.pid) {
                found.push(row.identity());
            }
        }
    }
    found.remove(0);
    found
}

struct Hunt<'a> {
    guard: &'a Guard,
    /// Counts as a parent and is never signalled.
    anchor: Option<Identity>,
    between: Option<&'a mut dyn FnMut()>,
    caught: BTreeMap<u32, u64>,
    groups: BTreeSet<u32>,
    sessions: BTreeSet<u32>,
    spared: BTreeMap<Identity, OsString>,
    report: TreeTerminated,
}

/// What one look at the processes showed.
struct Look {
    fresh: Vec<Identity>,
    /// Caught and not yet seen to stand still.
    moving: usize,
    /// Caught and not dead.
    alive: Vec<Member>,
    /// Groups that belong wholly to the tree and have a living member, so that their number is taken.
    groups: BTreeSet<u32>,
}

impl Look {
    fn signal(&self, signal: Signal) -> Result<(), Error> {
        for group in &self.groups {
            if let Some(group) = i32::try_from(*group).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, signal);
            }
        }
        for member in &self.alive {
            match Target::open(member.identity) {
                Ok((target, _)) => drop(target.signal(signal)?),
                Err(Error::NoSuchProcess { .. } | Error::Reused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl<'a> Hunt<'a> {
    fn new(guard: &'a Guard) -> Self {
        Self {
            guard,
            anchor: None,
            between: None,
            caught: BTreeMap::new(),
            groups: BTreeSet::new(),
            sessions: BTreeSet::new(),
            spared: BTreeMap::new(),
            report: TreeTerminated::default(),
        }
    }

    fn run(mut self, limit: Duration) -> Result<TreeTerminated, Error> {
        let _boost = Boost::new();
        let start = Instant::now();
        self.freeze(start + limit / FREEZE_SHARE)?;
        self.kill(start + limit)?;
        let spared = std::mem::take(&mut self.spared).into_iter().take(NAMED);
        self.report.spared = spared.map(|(identity, name)| Member { identity, name }).collect();
        Ok(self.report)
    }

    /// Until a scan finds nothing new and nothing that moves.
    fn freeze(&mut self, until: Instant) -> Result<(), Error> {
        let mut pause = Duration::from_micros(200);
        for _ in 0..FREEZE_ROUNDS {
            let look = self.look()?;
            if look.fresh.is_empty() && look.moving == 0 || Instant::now() >= until {
                break;
            }
            look.signal(Signal::STOP)?;
            if look.fresh.is_empty() {
                // Told to stop, not there yet: leave them a processor to do it on.
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(10));
            }
        }
        Ok(())
    }

    /// Until nothing of it is alive. Goes on looking for newcomers: freezing may have run out of time.
    fn kill(&mut self, until: Instant) -> Result<(), Error> {
        let mut pause = Duration::from_micros(100);
        loop {
            let look = self.look()?;
            if look.alive.is_empty() {
                self.report.left.clear();
                return Ok(());
            }
            if Instant::now() >= until {
                self.report.left = look.alive.into_iter().take(NAMED).collect();
                return Ok(());
            }
            look.signal(Signal::KILL)?;
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    fn look(&mut self) -> Result<Look, Error> {
        if let Some(collect) = self.between.as_mut() {
            collect();
        }
        let rows = rows()?;
        self.report.rounds += 1;
        self.forget_reused(&rows);
        let mut fresh = Vec::new();
        // One pass finds a child only if its parent came before it; pids wrap, so repeat until it is quiet.
        loop {
            let before = fresh.len();
            for row in &rows {
                if !self.belongs(row) {
                    continue;
                }
                if self.guard.why(row).is_some() {
                    self.spared.insert(row.identity(), row.name.clone());
                } else if self.catch(row) {
                    fresh.push(row.identity());
                }
            }
            if fresh.len() == before {
                break;
            }
        }
        let mut look = Look { fresh, moving: 0, alive: Vec::new(), groups: BTreeSet::new() };
        let mut foreign = BTreeSet::new();
        for row in &rows {
            if self.caught.get(&row.pid) != Some(&row.start_time) {
                foreign.insert(row.group);
            } else if !row.is_dead() {
                look.moving += usize::from(!matches!(row.state, State::Stopped | State::Uninterruptible));
                look.alive.push(Member { identity: row.identity(), name: row.name.clone() });
                look.groups.insert(row.group);
            }
        }
        look.groups.retain(|group| self.groups.contains(group) && !foreign.contains(group));
        Ok(look)
    }

    fn belongs(&self, row: &Row) -> bool {
        if self.caught.get(&row.pid) == Some(&row.start_time) || row.is_dead() {
            return false;
        }
        let child_of_anchor =
            self.anchor.is_some_and(|anchor| anchor.pid == row.ppid && anchor.start_time <= row.start_time);
        child_of_anchor
            || self.caught.get(&row.ppid).is_some_and(|start| *start <= row.start_time)
            || self.groups.contains(&row.group)
            || self.sessions.contains(&row.session)
    }

    /// `false` when it was caught before.
    fn catch(&mut self, row: &Row) -> bool {
        if self.caught.insert(row.pid, row.start_time) == Some(row.start_time) {
            return false;
        }
        if row.group == row.pid {
            self.groups.insert(row.pid);
        }
        if row.session == row.pid {
            self.sessions.insert(row.pid);
        }
        self.report.ended += 1;
        if self.report.members.len() < NAMED {
            self.report.members.push(Member { identity: row.identity(), name: row.name.clone() });
        }
        true
    }

    /// A number that came round again names somebody else: neither a parent nor a leader of ours.
    fn forget_reused(&mut self, rows: &[Row]) {
        for row in rows {
            if self.caught.get(&row.pid).is_some_and(|start| *start != row.start_time) {
                self.caught.remove(&row.pid);
                self.groups.remove(&row.pid);
                self.sessions.remove(&row.pid);
            }
        }
    }
}
