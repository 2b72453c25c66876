//! When mounts are looked at: the kernel tells of those of this mount namespace; others come with processes that live in them.

use std::collections::HashSet;

use super::raw::{Raw, What};
use crate::guard::Scope;

/// In any case, where something happens. Nanoseconds.
const EVER: u64 = 60_000_000_000;
/// After a process was met in a namespace that is not known: what it mounts there takes a moment. Nanoseconds.
const SOON: u64 = 300_000_000;
const LATER: u64 = 3_000_000_000;
/// Between two looks, each of which goes through all processes. Nanoseconds.
const APART: u64 = 500_000_000;
/// Namespaces that are remembered.
const MOST: usize = 4096;

/// What was looked at, and what is to be.
#[derive(Debug)]
pub(super) struct Looks {
    /// Other namespaces matter.
    others: bool,
    known: HashSet<u32>,
    last: u64,
    /// When to look, soonest first.
    due: Vec<u64>,
}

impl Looks {
    /// All has been looked at now.
    pub fn new(scope: Option<Scope>, now: u64) -> Self {
        let others = scope == Some(Scope::FileSystems);
        Self { others, known: HashSet::new(), last: now, due: Vec::new() }
    }

    /// Learns where a process lives.
    pub fn note(&mut self, raw: &Raw) {
        let Some(task) = raw.task.as_ref().filter(|task| self.others && task.mounts != 0) else { return };
        if self.known.len() >= MOST {
            self.known.clear();
        }
        let is_new = self.known.insert(task.mounts) && !matches!(raw.what, What::Running(_));
        // Two looks at hand are enough for all that come at the same time.
        if is_new && self.due.len() < 4 {
            self.due.extend([raw.at.saturating_add(SOON), raw.at.saturating_add(LATER)]);
            self.due.sort_unstable();
        }
    }

    /// Whether somebody must wake up for one.
    pub fn is_waiting(&self) -> bool {
        !self.due.is_empty()
    }

    /// Whether to look now. What comes too soon after the last look is put off, and not forgotten.
    pub fn is_time(&mut self, changed: bool, now: u64) -> bool {
        if changed || (self.others && now.saturating_sub(self.last) > EVER) {
            self.due.insert(0, now);
            self.due.truncate(4);
        }
        let is_due = self.due.first().is_some_and(|due| *due <= now);
        if !is_due || now.saturating_sub(self.last) < APART {
            return false;
        }
        self.due.retain(|due| *due > now);
        self.last = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Identity;
    use crate::recorder::raw::Task;

    #[test]
    fn a_new_namespace_is_looked_at_twice() {
        let mut looks = Looks::new(Some(Scope::FileSystems), 0);
        let raw = |mounts, at| Raw {
            at,
            process: Identity { pid: 9, start_time: 9 },
            task: Some(Box::new(Task { mounts, ..Task::default() })),
            what: What::Forked { creator: None },
        };
        assert!(!looks.is_time(false, APART) && looks.is_time(true, APART + 1));
        // Not at once again, but then.
        assert!(!looks.is_time(true, APART + 2) && looks.is_waiting());
        assert!(looks.is_time(false, 2 * APART + 1) && !looks.is_waiting());
        let at = 3 * APART;
        looks.note(&raw(7, at));
        looks.note(&raw(7, at));
        assert!(looks.is_waiting() && !looks.is_time(false, at + SOON - 1));
        assert!(looks.is_time(false, at + SOON) && !looks.is_time(false, at + SOON + APART));
        assert!(looks.is_time(false, at + LATER) && !looks.is_waiting());
        assert!(looks.is_time(false, at + LATER + EVER + 1), "and from time to time");
        let mut mine = Looks::new(Some(Scope::Mounts), 0);
        mine.note(&raw(7, 1));
        assert!(!mine.is_waiting() && !mine.is_time(false, EVER * 2));
    }
}
