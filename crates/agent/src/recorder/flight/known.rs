//! What is learned later: facts of files, and events that waited for them.

use std::sync::Arc;
use std::time::Instant;

use quell_wire::activity::{Process, ProcessKey};

use super::{Flight, Held, Waiting};
use crate::recorder::facts::Learned;
use crate::recorder::item::{Facts, Item, Late, Program, What};
use crate::recorder::raw;
use crate::recorder::times::since_boot;
use crate::recorder::tree::{Entry, Who};

impl Flight {
    pub(super) fn learned(&mut self, learned: Learned) {
        match learned {
            Learned::Container(mounts, id) => {
                let is_one = !id.is_empty();
                self.names.learn(mounts, id);
                let those = self.tree.iter().filter(|(_, entry)| is_one && entry.who.mounts == mounts);
                let those: Vec<ProcessKey> = those.map(|(key, _)| key).collect();
                for key in those {
                    self.changed(key);
                }
            }
            Learned::Passed(answer) => self.written(answer),
            Learned::Program(by) => {
                if let Some(key) = raw::key(by) {
                    self.changed(key);
                }
            }
            Learned::Item(item) => {
                // A row that is not written yet is written with it; a chain may have told of it already.
                if item.id <= self.state.flushed_id {
                    self.again(&item);
                } else {
                    self.tell_again(&item);
                }
                self.changed(item.key);
                self.keep_out(&item);
                for waiting in self.waiting(item.id) {
                    self.go_on(waiting);
                }
            }
        }
    }

    /// A process is back in the tree, as far as the ring has it.
    pub(super) fn recalled(&mut self, key: ProcessKey, rows: Vec<Process>) {
        self.revive(&rows);
        let (now, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.state.recalling).into_iter().partition(|(item, _)| item.key == key);
        self.state.recalling = later;
        for (item, detection) in now {
            if self.tree.get(key).is_none() {
                // Nothing is known of it but what it did.
                let program =
                    if let What::Start(program) = &item.what { program.clone() } else { Arc::default() };
                let ended = Some((since_boot(), None));
                let entry =
                    Entry { program, incomplete: true, started: 1, ended, is_kept: true, ..Entry::default() };
                self.tree.insert(key, entry);
            }
            self.register(&item, detection, true);
        }
    }

    /// Puts processes that have ended into the tree again, the ancestors first.
    pub(super) fn revive(&mut self, rows: &[Process]) {
        let now = since_boot();
        for row in rows.iter().rev() {
            let late = Late::default();
            let facts = Facts {
                sha256: row.image.sha256.as_slice().try_into().ok(),
                size: row.image.size,
                package: row.image.package.as_str().into(),
                copy_of: row.image.copy_of.as_str().into(),
                script: row.image.script.as_ref().and_then(|script| script.sha256.as_slice().try_into().ok()),
            };
            let _ = late.set(facts);
            let who = Who {
                uid: row.uid,
                login: row.login_uid,
                pid_namespace: u32::try_from(row.pid_namespace).unwrap_or(0),
                mounts: 0,
            };
            let entry = Entry {
                parent: row.parent,
                program: Arc::new(Program { image: row.image.clone(), inode: None, late }),
                who: Arc::new(who),
                started: self.times.boot(row.started_at_us).max(1),
                // How one ended whose end was missed is not known.
                ended: Some(if row.ended_at_us > 0 {
                    (self.times.boot(row.ended_at_us), Some(row.exit_status))
                } else {
                    (now, None)
                }),
                from_before: row.from_before,
                incomplete: row.incomplete,
                is_kept: true,
                ..Entry::default()
            };
            self.tree.insert(row.key, entry);
        }
    }

    /// Those that waited long enough go on without.
    pub(super) fn overdue(&mut self, now: Instant) {
        while let Some(first) = self.state.waiting.first_entry()
            && first.get().due <= now
        {
            let waiting = first.remove();
            self.go_on(waiting);
        }
        while let Some(first) = self.state.undecided.first_entry()
            && first.get().due <= now
        {
            let waiting = first.remove();
            self.go_on(waiting);
        }
        let folds = self.state.folds.over(now);
        for folded in folds {
            self.folded(&folded);
        }
    }

    fn go_on(&mut self, waiting: Waiting) {
        let Waiting { item, is_judged, hits, .. } = waiting;
        for held in hits {
            self.released(&item, held);
        }
        if !is_judged {
            self.judge(&item);
        }
    }

    fn waiting(&mut self, id: u64) -> impl Iterator<Item = Waiting> + use<> {
        [self.state.waiting.remove(&id), self.state.undecided.remove(&id)].into_iter().flatten()
    }

    /// A hit waits with its event, for the facts of the file.
    pub(super) fn wait(&mut self, item: &Arc<Item>, held: Held) {
        let (all, patience) = match held.done {
            Some(_) => (&mut self.state.waiting, super::PATIENCE),
            None => (&mut self.state.undecided, super::INDECISION),
        };
        let due = Instant::now() + patience;
        let waiting = Waiting { due, item: item.clone(), is_judged: true, hits: Vec::new() };
        all.entry(item.id).or_insert(waiting).hits.push(held);
    }
}
