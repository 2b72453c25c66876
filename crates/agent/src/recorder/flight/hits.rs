//! From a rule's hit to a detection with its chain.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use quell_wire::activity::{Deed, Detection, ProcessKey, Severity, Source, Verdict};
use quell_wire::limits;
use quell_wire::protection::Mode;

use super::take::category;
use super::{Asked, Collected, Flight, Held};
use crate::recorder::chains::Chain;
use crate::recorder::item::{Item, Program, What};
use crate::recorder::judge::{Folded, Hit, Place, Subject};
use crate::recorder::names::Names;
use crate::recorder::prevent::{Deal, Done, GUARD_IS_TOLD};
use crate::recorder::ring::Ask;
use crate::recorder::times::since_boot;
use crate::recorder::tree::{Reach, Tree};
use crate::recorder::uuid;

/// Detections that wait for their process.
const RECALLING: usize = 256;
/// Programs that were prevented and whose content is not known yet.
const UNREAD: usize = 256;

impl Flight {
    pub(super) fn judge(&mut self, item: &Arc<Item>) {
        let Some(category) = category(item) else { return };
        let Some(subject) = subject_of(&self.tree, &self.names, item) else { return };
        let hits = self.judge.behaviour(category, &subject, since_boot() / 1_000_000);
        for hit in hits {
            self.hit(item, hit);
        }
    }

    pub(super) fn matched(&mut self, item: &Arc<Item>, hits: Vec<Hit>) {
        if self.tree.get(item.key).is_some_and(|entry| entry.own) {
            return;
        }
        for hit in hits {
            self.hit(item, hit);
        }
    }

    /// Whether anything is done about a hit, and what.
    pub(super) fn hit(&mut self, item: &Arc<Item>, hit: Hit) {
        let mode = self.judge.mode(&hit);
        if mode == Mode::Off {
            return;
        }
        let excluded = self.excluded(item, &hit);
        if excluded == Some(true) {
            return;
        }
        // Going on is not let pass because it was told of already.
        let is_told = self.is_told(item, &hit);
        if mode == Mode::Prevent && hit.done.is_none() {
            match excluded {
                Some(_) => self.stop(item, hit, is_told),
                // Whether it is to be let alone is not known before the file was read.
                None => self.wait(item, Held { hit, done: None, is_told }),
            }
        } else if is_told {
            let verdict = match hit.done {
                Some(true) => Verdict::Prevented,
                Some(false) => Verdict::NotPrevented,
                None => Verdict::Detected,
            };
            self.dealt(item, hit, Done::plain(verdict));
        }
    }

    /// As far as that is known by now.
    fn excluded(&self, item: &Item, hit: &Hit) -> Option<bool> {
        let Some(subject) = subject_of(&self.tree, &self.names, item) else { return Some(false) };
        self.judge.is_excluded(&hit.rule, &subject, &hit.path, hit.sha256)
    }

    /// Whether a hit is told, or counted.
    fn is_told(&mut self, item: &Item, hit: &Hit) -> bool {
        // One that comes back from the guard was counted when it went there.
        if hit.source == Source::Yara && hit.done.is_some() {
            return true;
        }
        let subject = subject_of(&self.tree, &self.names, item);
        let program = subject.map(|subject| subject.program.object().to_vec()).unwrap_or_default();
        let fold = (hit.rule.clone(), program, self.tree.root(item.key));
        match self.state.folds.place(fold, hit.severity, item.id, Instant::now()) {
            Place::First => return true,
            Place::Again => drop(self.door.counts().folded.fetch_add(1, Ordering::Relaxed)),
            Place::Beyond => {
                self.untold(1);
                if let Some(chain) = self.chain_of(item.key) {
                    chain.missed(1);
                }
            }
        }
        false
    }

    pub(super) fn untold(&self, count: u64) {
        self.door.counts().untold.fetch_add(count, Ordering::Relaxed);
    }

    fn chain_of(&mut self, key: ProcessKey) -> Option<&mut Chain> {
        let slot = self.tree.get(key).and_then(|entry| entry.chain).map(|(slot, _)| slot);
        let slot = slot.or_else(|| self.state.chains.of(key))?;
        self.state.chains.get_mut(slot)
    }

    /// Content that was written is handed to the execution guard; the hit comes back with what came of it, where it is to be
    /// told. Whether that is done.
    fn block(&self, item: &Arc<Item>, hit: &Hit, is_told: bool) -> bool {
        let (Some(sha256), false) = (hit.sha256, matches!(item.what, What::Start(_))) else { return false };
        if hit.source != Source::Yara || item.is_copy() {
            return false;
        }
        let (door, item, back) = (self.door.clone(), item.clone(), hit.clone());
        self.hand.block(hit, (&hit.path, sha256), move |is_blocked| {
            if !is_told {
                return;
            }
            let told =
                if is_blocked { "Its content does not run any more." } else { "Its content can still run." };
            let note = format!("{told} {}", back.note);
            door.tell(super::Input::Matched(item, vec![Hit { done: Some(is_blocked), note, ..back }]));
        })
    }

    /// Keeps it from going on. It is told, where it is to be, as soon as it is known how that ended.
    fn stop(&mut self, item: &Arc<Item>, hit: Hit, is_told: bool) {
        if self.block(item, &hit, is_told) {
            return;
        }
        let (door, of, back) = (self.door.clone(), item.clone(), hit.clone());
        let program = self.program(item);
        let done = self.hand.prevent(&self.deal(item, &hit, &program), move |done| {
            if is_told {
                door.tell(super::Input::Dealt(of, Box::new(back), done));
            }
        });
        if let Some(done) = done.filter(|_| is_told) {
            self.dealt(item, hit, done);
        }
    }

    /// What it was that hit: the program of the event, also where the process runs another by now.
    fn program(&self, item: &Item) -> Arc<Program> {
        match &item.what {
            What::Start(program) => program.clone(),
            What::File(..) | What::Other(_) => {
                self.tree.get(item.key).map(|entry| entry.program.clone()).unwrap_or_default()
            }
        }
    }

    fn deal<'a>(&self, item: &Item, hit: &'a Hit, program: &'a Arc<Program>) -> Deal<'a> {
        let entry = self.tree.get(item.key);
        Deal {
            key: item.key,
            hit,
            is_own: entry.is_some_and(|entry| entry.own),
            is_ended: entry.is_none_or(|entry| entry.ended.is_some()),
            is_start: matches!(item.what, What::Start(_)),
            program,
            is_copy: item.is_copy() || program.is_copy(),
        }
    }

    /// What was to be done was done. A moment later the hash of what began is known too.
    pub(super) fn dealt(&mut self, item: &Arc<Item>, hit: Hit, done: Done) {
        let is_unread = match &item.what {
            What::Start(program) => program.late.get().is_none() && !program.image.path.is_empty(),
            What::File(..) | What::Other(_) => false,
        };
        if hit.sha256.is_none() && is_unread || self.state.waiting.contains_key(&item.id) {
            self.wait(item, Held { hit, done: Some(done), is_told: true });
        } else {
            self.detected(item, hit, done);
        }
    }

    /// What waited for a file goes on.
    pub(super) fn released(&mut self, item: &Arc<Item>, held: Held) {
        let Held { hit, done, is_told } = held;
        match done {
            Some(done) => self.detected(item, hit, done),
            None if self.excluded(item, &hit) == Some(true) => {}
            None => self.stop(item, hit, is_told),
        }
    }

    /// What a program consists of is known after all: where it was prevented it does not run again.
    pub(super) fn keep_out(&mut self, item: &Arc<Item>) {
        let Some(hit) = self.state.unread.remove(&item.id) else { return };
        if self.excluded(item, &hit) == Some(true) {
            return;
        }
        let program = self.program(item);
        self.hand.keep_out(&self.deal(item, &hit, &program));
    }

    /// A detection: it is told, with its chain.
    pub(super) fn detected(&mut self, item: &Arc<Item>, hit: Hit, mut done: Done) {
        // That was not known before.
        if done.verdict == Verdict::Detected && self.excluded(item, &hit) == Some(true) {
            return;
        }
        let program = self.program(item);
        if done.blocks && self.hand.keep_out(&self.deal(item, &hit, &program)) {
            done.note.push_str(GUARD_IS_TOLD);
        } else if done.blocks && program.late.get().is_none() {
            // Of some nothing comes any more.
            if self.state.unread.len() >= UNREAD {
                self.state.unread.pop_first();
            }
            self.state.unread.insert(item.id, hit.clone());
        }
        let sha256 = hit.sha256.or_else(|| match &item.what {
            What::Start(program) => program.digest(),
            What::File(_, late) => late.get().and_then(|facts| facts.sha256),
            What::Other(_) => self.tree.get(item.key).and_then(|entry| entry.program.digest()),
        });
        let note =
            [done.note, hit.note].into_iter().filter(|note| !note.is_empty()).collect::<Vec<_>>().join(" ");
        let path = if hit.path.is_empty() { file(item).unwrap_or_default() } else { hit.path };
        let detection = Detection {
            id: uuid(),
            at_us: self.times.now_us(),
            activity: item.id,
            source: hit.source.into(),
            rule: crate::recorder::raw::short(&hit.rule),
            title: hit.title,
            severity: hit.severity.into(),
            techniques: hit.techniques,
            verdict: done.verdict.into(),
            note: note.get(..note.floor_char_boundary(limits::MESSAGE)).unwrap_or_default().to_owned(),
            path,
            sha256: sha256.map(Vec::from).unwrap_or_default(),
            protection: if hit.source == Source::BlockList { 0 } else { self.judge.document().version },
        };
        if self.tree.get(item.key).is_some() {
            self.register(item, detection, true);
        } else if self.state.recalling.len() < RECALLING {
            // It ended long ago, and a file that it left was looked at only now.
            self.state.recalling.push((item.clone(), detection));
            self.disk.recall(item.key);
        } else {
            self.untold(1);
        }
    }

    /// Puts a detection into the chain of its process, which is opened where there is none. An event that is not at hand lies
    /// in the ring, and comes from there.
    pub(super) fn register(
        &mut self,
        item: &Arc<Item>,
        detection: Detection,
        at_hand: bool,
    ) -> Option<(u32, bool)> {
        self.door.counts().detections.fetch_add(1, Ordering::Relaxed);
        tracing::info!(
            rule = detection.rule,
            title = detection.title,
            process = item.key.pid,
            verdict = detection.verdict,
            "detected"
        );
        let root = self.tree.root(item.key);
        let of = |key: ProcessKey| self.tree.get(key).and_then(|entry| entry.chain).map(|(slot, _)| slot);
        let known = of(item.key).or_else(|| of(root)).or_else(|| self.state.chains.of(item.key));
        let slot = known.filter(|slot| self.state.chains.get(*slot).is_some_and(|chain| !chain.is_closing));
        let is_joined = slot.is_some();
        let slot = match slot {
            Some(slot) => slot,
            None => self.open(root),
        };
        let seeds = if is_joined {
            let above = self.tree.ancestors(item.key, root).into_iter().map(|key| (key, Reach::Children));
            above.chain([(item.key, Reach::All)]).collect()
        } else {
            self.tree.reach(item.key, root)
        };
        let is_asked = self.enlist(slot, item.key, &seeds);
        let chain = self.state.chains.get_mut(slot)?;
        chain.key_process(item.key);
        let is_taken = match (at_hand, is_asked) {
            (true, _) => chain.detection(detection, Some(item.clone())),
            (false, true) => chain.later(detection),
            (false, false) => chain.detection(detection, None),
        };
        if !is_taken {
            self.untold(1);
        }
        Some((slot, is_joined))
    }

    fn open(&mut self, root: ProcessKey) -> u32 {
        if self.state.chains.len() >= limits::OPEN_CHAINS
            && let Some(quiet) = self.state.chains.quietest()
        {
            self.close(quiet);
        }
        let slot = self.state.chains.slot();
        let chain = Chain::new(slot, uuid(), root, self.unseen());
        self.state.chains.insert(chain);
        slot
    }

    /// Puts processes into a chain, and asks the ring for what they did before; whether it does.
    fn enlist(&mut self, slot: u32, detected: ProcessKey, seeds: &[(ProcessKey, Reach)]) -> bool {
        let (mut members, beyond) = self.tree.enlist(slot, seeds, limits::CHAIN_PROCESSES);
        if members.is_empty() {
            return false;
        }
        // Those that lead to the detected process come first, should there not be room for all.
        let root = self.tree.root(detected);
        let line: BTreeSet<ProcessKey> =
            self.tree.ancestors(detected, root).into_iter().chain([detected]).collect();
        members.sort_by_key(|(key, _)| !line.contains(key));
        let mut begins_late = false;
        for (key, _) in &members {
            self.keep(*key);
            begins_late |= self.tree.get(*key).is_some_and(|entry| entry.from_before);
        }
        let Some(chain) = self.state.chains.get_mut(slot) else { return false };
        members.retain(
            |(key, _)| {
                if line.contains(key) { chain.key_process(*key) } else { chain.process(*key) }
            },
        );
        chain.enlist(&members);
        chain.beyond(beyond);
        chain.asks();
        if begins_late {
            chain.begins_late();
        }
        let room = limits::CHAIN_ACTIVITIES.saturating_sub(chain.state.activities as usize);
        let ask = Ask {
            chain: slot,
            known: members.iter().map(|(key, _)| *key).collect(),
            seeds: members,
            until: self.next_id.saturating_sub(1),
            processes: limits::CHAIN_PROCESSES.saturating_sub(chain.state.processes as usize),
            activities: room,
        };
        // In the order in which they are handed over: what is written now is found.
        self.flush();
        self.disk.history(ask);
        true
    }

    /// The same rule hit more often.
    pub(super) fn folded(&mut self, folded: &Folded) {
        let (rule, _, root) = &folded.fold;
        let now_us = self.times.now_us();
        let Some(chain) = self.chain_of(*root) else { return };
        if !chain.folded(rule, folded.count, folded.last, now_us) {
            self.untold(folded.count);
        }
    }

    /// A chain that was asked for.
    pub(super) fn asked(&mut self, asked: &Asked) -> Result<Collected, &'static str> {
        self.revive(&asked.rows);
        if self.tree.get(asked.key).is_none() {
            self.ensure_living(asked.key);
        }
        let Some(entry) = self.tree.get(asked.key) else { return Err("there is no such process") };
        let (start_id, program) = (entry.start_id, entry.program.clone());
        let activity = if asked.activity > 0 { asked.activity } else { start_id };
        let now_us = self.times.now_us();
        // A process that has no event yet, since it ran before the recorder: its program is one.
        let item = if activity == 0 {
            let at_us = self.times.wall_us(self.tree.get(asked.key).map_or(0, |entry| entry.started));
            let item = self.item(asked.key, at_us, What::Start(program));
            self.put(&item, true);
            item
        } else {
            Arc::new(Item { id: activity, at_us: now_us, key: asked.key, what: What::Start(program) })
        };
        let detection = Detection {
            id: uuid(),
            at_us: now_us,
            activity: item.id,
            source: Source::Asked.into(),
            title: "Asked for".to_owned(),
            severity: Severity::Informational.into(),
            verdict: Verdict::Detected.into(),
            note: crate::recorder::raw::short(&asked.note),
            protection: self.judge.document().version,
            ..Detection::default()
        };
        let detection_id = detection.id.clone();
        let (slot, is_joined) =
            self.register(&item, detection, activity == 0).ok_or("no chain can be opened")?;
        let chain = self.state.chains.get(slot).ok_or("no chain can be opened")?;
        Ok(Collected { chain_id: chain.state.id.clone(), root: chain.root, detection_id, is_joined })
    }
}

/// An event with who did it.
fn subject_of<'a>(tree: &'a Tree, names: &'a Names, item: &'a Item) -> Option<Subject<'a>> {
    let entry = tree.get(item.key)?;
    let parent = entry.parent.and_then(|parent| Some((parent.pid, tree.get(parent)?)));
    Some(Subject {
        item,
        program: if let What::Start(program) = &item.what { program } else { &entry.program },
        uid: entry.who.uid,
        user: names.user(entry.who.uid),
        container: names.container(entry.who.mounts),
        parent: parent.map(|(pid, above)| (pid, &*above.program, names.user(above.who.uid))),
    })
}

fn file(item: &Item) -> Option<Vec<u8>> {
    match &item.what {
        What::File(Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file), _) => {
            Some(file.path.clone())
        }
        What::Start(_) | What::File(..) | What::Other(_) => None,
    }
}
