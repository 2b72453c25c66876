//! What goes to the disk, and what goes to the server.

use std::time::{Duration, Instant};

use quell_wire::activity::{Process, ProcessKey};
use tokio::sync::oneshot;

use super::Flight;
use crate::recorder::chains::{Chain, QUIET_S, now_s};
use crate::recorder::ring::{Batch, Found};

/// Updates of one chain that are made at one turn.
const AT_ONCE: usize = 4;
/// Where no room is for updates, it is looked again after this.
const PAUSE: Duration = Duration::from_secs(5);
/// Chains that are over and wait for room to say so; of more, the oldest is given up.
pub(super) const CLOSING: usize = 16;
/// Rows that are handed over at once.
const ROWS: usize = 4000;

impl Flight {
    /// A process as the protocol has it.
    pub(super) fn process(&self, key: ProcessKey) -> Option<Process> {
        let names = &self.names;
        self.tree.process(
            key,
            |uid| names.user(uid).to_owned(),
            |mounts| names.container(mounts).to_owned(),
            |at| self.times.wall_us(at),
        )
    }

    /// All that came in until now is written, with what is to be learned of it; then that is said.
    pub(super) fn write_out(&mut self, answer: oneshot::Sender<()>) {
        // Where too much is to be learned already, it is written without.
        if let Some(answer) = self.reader.pass(answer) {
            self.written(answer);
        }
    }

    /// What is to be learned was learned.
    pub(super) fn written(&mut self, answer: oneshot::Sender<()>) {
        self.flush();
        self.disk.written(answer);
    }

    /// Hands over what is to be written.
    pub(super) fn flush(&mut self) {
        self.state.flush = None;
        let dirty = std::mem::take(&mut self.state.dirty);
        let mut processes = std::mem::take(&mut self.state.gone);
        processes.extend(dirty.into_iter().filter_map(|key| self.process(key)));
        let items = std::mem::take(&mut self.state.items);
        if processes.is_empty() && items.is_empty() {
            return;
        }
        self.state.flushed_id =
            items.iter().map(|item| item.id).max().unwrap_or(0).max(self.state.flushed_id);
        let mut activities = items.iter().map(|item| item.activity());
        loop {
            let rest = processes.split_off(processes.len().min(ROWS));
            let batch = Batch { processes, activities: activities.by_ref().take(ROWS).collect() };
            if batch.processes.is_empty() && batch.activities.is_empty() {
                return;
            }
            self.disk.write(batch);
            processes = rest;
        }
    }

    /// Those that are gone from the tree are written once more.
    pub(super) fn sweep(&mut self, now: u64) {
        let (names, times, state) = (&self.names, &self.times, &mut self.state);
        self.tree.sweep(now, |key, entry| {
            let is_dirty = state.dirty.remove(&key);
            let chain = entry.chain.and_then(|(slot, _)| state.chains.get_mut(slot));
            let chain = chain.filter(|chain| chain.waits(key));
            if !is_dirty && chain.is_none() {
                return;
            }
            let process = entry.process(
                key,
                names.user(entry.who.uid).to_owned(),
                names.container(entry.who.mounts).to_owned(),
                |at| times.wall_us(at),
            );
            if let Some(chain) = chain {
                chain.gone(process.clone());
            }
            if is_dirty {
                state.gone.push(process);
            }
        });
    }

    /// Tells what is new of chains.
    pub(super) fn tell(&mut self, now: Instant) {
        for slot in self.state.chains.slots() {
            let is_due =
                self.state.chains.get(slot).is_some_and(|chain| chain.due.is_some_and(|due| due <= now));
            if is_due {
                self.tell_of(slot, now);
            }
        }
    }

    fn tell_of(&mut self, slot: u32, now: Instant) {
        let unseen = self.unseen();
        for _ in 0..AT_ONCE {
            let Some(mut chain) = self.state.chains.remove(slot) else { return };
            if !self.disk.has_room() {
                chain.drop_waiting();
                chain.due = Some(now + PAUSE);
                self.state.chains.insert(chain);
                return;
            }
            let cut = chain.cut(&self.boot_id, unseen, &|key| self.process(key));
            let is_over = chain.is_closing && chain.is_told();
            if !is_over {
                self.state.chains.insert(chain);
            }
            let Some((letter, batch)) = cut else { return };
            self.disk.post(letter, batch);
            if is_over {
                self.tree.discharge(slot);
                return;
            }
        }
    }

    /// The history of a chain came.
    pub(super) fn history(&mut self, found: Found) {
        let Some(chain) = self.state.chains.get(found.chain) else { return };
        let started = self.tree.get(chain.root).map(|root| self.times.wall_us(root.started));
        // The beginning of the tree is not kept any more. A second's grace, for a clock that was set a little.
        let is_late =
            started.zip(found.oldest_us).is_some_and(|(started, oldest)| started < oldest - 1_000_000);
        if let Some(chain) = self.state.chains.get_mut(found.chain) {
            if is_late {
                chain.begins_late();
            }
            chain.history(found);
        }
    }

    /// The last of a chain is told, and that it is the last.
    pub(super) fn close(&mut self, slot: u32) {
        if let Some(chain) = self.state.chains.get_mut(slot) {
            chain.is_closing = true;
            chain.hurry(Duration::ZERO);
        }
        // Nothing more comes into it, and it makes room at once.
        while self.state.chains.get(slot).is_some() && self.disk.has_room() {
            self.tell_of(slot, Instant::now());
        }
        if self.state.chains.get(slot).is_some() {
            self.detain(slot);
        }
    }

    /// One that is over finds no room on the way: it waits, beside those that are open, with what was detected.
    fn detain(&mut self, slot: u32) {
        self.tree.discharge(slot);
        let unnamed = self.state.chains.get(slot).map(Chain::unnamed).unwrap_or_default();
        let processes: Vec<Process> = unnamed.into_iter().filter_map(|key| self.process(key)).collect();
        if let Some(chain) = self.state.chains.get_mut(slot) {
            for process in processes {
                chain.gone(process);
            }
        }
        let closing = self.state.chains.closing();
        for oldest in closing.iter().take(closing.len().saturating_sub(CLOSING)) {
            self.give_up(*oldest);
        }
    }

    /// Nothing more is told of a chain; what was detected and waits is counted.
    fn give_up(&mut self, slot: u32) {
        let Some(chain) = self.state.chains.remove(slot) else { return };
        let undelivered = chain.undelivered();
        if undelivered > 0 {
            tracing::error!(chain = chain.state.id, undelivered, "detections are not told, for want of room");
            self.untold(undelivered);
        }
        self.tree.discharge(slot);
        self.disk.forget(chain.state.id);
    }

    pub(super) fn close_quiet(&mut self) {
        let now_s = now_s();
        for slot in self.state.chains.slots() {
            let is_quiet = self.state.chains.get(slot).is_some_and(|chain| {
                !chain.is_closing && now_s.saturating_sub(chain.state.detected_s) > QUIET_S
            });
            if is_quiet {
                self.close(slot);
            }
        }
    }

    /// The server wants no more. What is there to tell goes yet, and what is on its way stays so: something may have been
    /// detected before that was heard.
    pub(super) fn unwanted(&mut self, id: &str) {
        if let Some(slot) = self.state.chains.by_id(id) {
            self.close(slot);
        }
    }

    /// Nothing more can be told.
    pub(super) fn closed(&mut self, id: &str) {
        match self.state.chains.by_id(id) {
            Some(slot) => self.give_up(slot),
            None => self.disk.forget(id.to_owned()),
        }
        // Whatever was made of it before that was heard.
        self.disk.stored(id.to_owned(), u64::MAX);
    }
}
