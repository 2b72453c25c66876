//! Files that came to be and are still open for writing: one of them is told once, when it is closed.

use std::collections::{HashMap, VecDeque};

use super::group::Named;

/// No more are kept waiting; the oldest goes first, and is told then.
const MOST: usize = 4096;
/// Who is still open by then is told. Nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Fresh {
    /// By name: who made it, and when.
    all: HashMap<Named, (u32, u64)>,
    /// In the order of their coming; may hold some that are gone.
    order: VecDeque<(Named, u64)>,
    /// How many of them, from the end, came since they were looked at.
    new: usize,
    /// The last name that somebody took away, for kernels that tell both ends of a move apart.
    moved: Option<(u32, Named)>,
}

impl Fresh {
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn put(&mut self, name: Named, pid: u32, at: u64) {
        self.all.insert(name.clone(), (pid, at));
        self.order.push_back((name, at));
        self.new += 1;
    }

    /// Hands over those that are new and not worth waiting for.
    pub fn new_ones(&mut self, mut is_done: impl FnMut(&Named) -> bool, mut tell: impl FnMut(Named, u32)) {
        let new = std::mem::take(&mut self.new).min(self.order.len());
        for (name, _) in self.order.range(self.order.len() - new..) {
            if self.all.contains_key(name)
                && is_done(name)
                && let Some((pid, _)) = self.all.remove(name)
            {
                tell(name.clone(), pid);
            }
        }
    }

    /// Whether it was among them.
    pub fn take(&mut self, name: &Named) -> bool {
        let was = self.all.remove(name).is_some();
        if self.all.is_empty() {
            self.order.clear();
            self.new = 0;
        }
        was
    }

    /// Hands over those that are not waited for any longer.
    pub fn late(&mut self, now: u64, mut tell: impl FnMut(Named, u32)) {
        while let Some((_, at)) = self.order.front() {
            if now.saturating_sub(*at) < PATIENCE && self.order.len() <= MOST {
                return;
            }
            let Some((name, at)) = self.order.pop_front() else { return };
            // It may have come to be once more since.
            if self.all.get(&name).is_some_and(|(_, last)| *last == at)
                && let Some((pid, _)) = self.all.remove(&name)
            {
                tell(name, pid);
            }
        }
    }

    pub fn moved(&mut self, pid: u32, from: Named) {
        self.moved = Some((pid, from));
    }

    pub fn moved_from(&mut self, pid: u32) -> Option<Named> {
        self.moved.take().filter(|(who, _)| *who == pid).map(|(_, from)| from)
    }
}
