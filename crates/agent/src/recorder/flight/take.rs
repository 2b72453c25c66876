//! From what the kernel told to the tree and to activity events.

mod session;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use quell_host::process::{self, Identity};
use quell_host::recorder::raw::{
    Details, FileChange, Network, Program as Told, Raw, Step, Task, What as Happened,
};
use quell_wire::activity::{Connection, Deed, Image, ProcessKey};

use super::{CONNECTIONS, FLUSH, Flight, PATIENCE, RECENT, Waiting};
use crate::recorder::facts::{Job, by};
use crate::recorder::item::{Item, Program, What};
use crate::recorder::raw;
use crate::recorder::tree::{Entry, Who};

/// How much later than it happened a file's event may be told. Nanoseconds.
const SLACK: u64 = 150_000_000;
/// What the time of a record may be behind, microseconds: some programs write whole seconds.
const WHOLE_SECONDS: i64 = 1_500_000;
/// Clock ticks in a second, as `/proc` counts them (`USER_HZ`): so on all architectures that are served.
const TICKS: u64 = 100;
/// Processes that are looked up in `/proc` in a second.
const LOOKUPS: u32 = 100;
/// Regular file, and whoever may run it.
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const RUNS: u32 = 0o111;

impl Flight {
    pub(super) fn take(&mut self, raw: Raw) {
        let Raw { at, process, task, what } = raw;
        let task = task.as_deref();
        match what {
            Happened::Running(program) => self.running(process, task, &program, at),
            Happened::Forked { creator } => self.forked(process, task, creator),
            Happened::Executed(program) => self.executed(process, task, &program, at),
            Happened::Exited { status } => {
                if let Some(key) = raw::key(process) {
                    self.session_ended(key);
                    self.tree.end(key, at, status);
                    self.changed(key);
                }
            }
            Happened::Network(network) => self.network(process, task, &network, at),
            Happened::Asked(question) => {
                if let Some(key) = self.actor(process, task, at) {
                    self.record(key, at, What::Other(raw::question(&question)));
                }
            }
            Happened::File(change) => self.file(process, &change, at),
            Happened::Login(login) => {
                let at_us = login.time_us;
                let key = self.actor(process, task, at).filter(|key| self.was_there(*key, at_us));
                let key = key.or_else(|| self.tree.at(1, at, 0));
                match key {
                    Some(key) => self.record_at(key, at_us.max(0), What::Other(raw::login(&login))),
                    None => self.unattributed(),
                }
            }
            // It is the work of a program that is told of.
            Happened::Module(_) => {}
        }
    }

    /// Whether a process had begun when a record of a login was written. Such records are read late where there are many, and
    /// name a pid alone, which another may have by then.
    fn was_there(&self, key: ProcessKey, at_us: i64) -> bool {
        let Some(entry) = self.tree.get(key) else { return true };
        self.times.wall_us(entry.started) <= at_us.saturating_add(WHOLE_SECONDS)
    }

    fn unattributed(&self) {
        self.door.counts().unattributed.fetch_add(1, Ordering::Relaxed);
    }

    fn running(&mut self, process: Identity, task: Option<&Task>, told: &Told, at: u64) {
        let (Some(key), Some(task)) = (raw::key(process), task) else { return };
        let before = self.before.remove(&key);
        let parent = before.as_ref().and_then(|before| before.parent);
        let parent = parent.or_else(|| task.parent.and_then(raw::key));
        let program = Arc::new(program(told, task));
        let is_own = process.pid == self.own.pid;
        let entry = Entry {
            parent,
            who: who(task, None),
            program: program.clone(),
            program_at: at,
            started: task.start.max(1),
            from_before: before.as_ref().is_none_or(|before| before.from_before),
            incomplete: before.as_ref().is_some_and(|before| before.incomplete),
            own: is_own,
            is_kept: before.is_some(),
            chain: self.state.members.remove(&key),
            ..Entry::default()
        };
        self.tree.insert(key, entry);
        self.container(key, task);
        self.learn_program(program, key, None, task.mounts);
    }

    /// All that ran already was told: helpers of the agent are known by now, and what has ended meanwhile.
    pub(super) fn first_is_over(&mut self) {
        if self.before.is_empty() && self.state.members.is_empty() {
            return;
        }
        let now_us = self.times.now_us();
        for (_, mut process) in std::mem::take(&mut self.before) {
            process.ended_at_us = now_us.max(1);
            process.incomplete = true;
            self.state.gone.push(process);
        }
        self.state.members.clear();
        self.state.flush.get_or_insert_with(|| Instant::now() + FLUSH);
    }

    fn forked(&mut self, process: Identity, task: Option<&Task>, creator: Option<Identity>) {
        let (Some(key), Some(task)) = (raw::key(process), task) else { return };
        let parent = creator.or(task.parent).and_then(raw::key);
        let above = parent.and_then(|parent| self.tree.get(parent));
        let (program, like, start_id) = above.map_or_else(
            || (Arc::default(), None, 0),
            |above| (above.program.clone(), Some(above.who.clone()), above.start_id),
        );
        let (is_own, is_known) = (above.is_some_and(|above| above.own), above.is_some());
        let entry = Entry {
            parent,
            who: who(task, like.as_ref()),
            program,
            program_at: task.start,
            started: task.start.max(1),
            incomplete: !is_known,
            own: is_own,
            start_id,
            ..Entry::default()
        };
        self.tree.insert(key, entry);
        self.joined(key);
    }

    /// A process is in the tree: where it came into a chain by its parent, the chain is told.
    fn joined(&mut self, key: ProcessKey) {
        let Some((slot, reach)) = self.tree.get(key).and_then(|entry| entry.chain) else { return };
        if let Some(chain) = self.state.chains.get_mut(slot)
            && chain.process(key)
        {
            chain.enlist(&[(key, reach)]);
            self.keep(key);
        }
    }

    fn executed(&mut self, process: Identity, task: Option<&Task>, told: &Told, at: u64) {
        let (Some(key), Some(task)) = (raw::key(process), task) else { return };
        self.ensure(key, Some(task));
        self.session(key, task, told, at);
        let mut program = program(told, task);
        // Asked for by a name, and gone before more could be read.
        if told.details == Details::Gone && program.image.path.is_empty() {
            program.image.path = raw::path(&told.asked);
        }
        let program = Arc::new(program);
        let like = self.tree.get(key).map(|entry| entry.who.clone());
        let who = who(task, like.as_ref());
        let own_path = Path::new(&self.own.path) == told.path;
        if let Some(entry) = self.tree.get_mut(key) {
            entry.who = who;
            entry.own = entry.own && own_path;
            entry.incomplete |= told.details == Details::Gone;
        }
        self.container(key, task);
        let item = self.item(key, self.times.wall_us(at), What::Start(program.clone()));
        self.tree.begin(key, &program, at, item.id);
        let is_learned = self.reader.at_once(&program)
            || !self.learn_program(program, key, Some(item.clone()), task.mounts);
        self.put(&item, is_learned);
    }

    fn container(&mut self, key: ProcessKey, task: &Task) {
        if self.names.is_new(task.mounts) {
            self.reader.ask(Job::Container { mounts: task.mounts, by: by(key) });
        }
    }

    /// Whether it will be learned later.
    fn learn_program(
        &mut self,
        program: Arc<Program>,
        key: ProcessKey,
        item: Option<Arc<Item>>,
        mounts: u32,
    ) -> bool {
        if program.image.path.is_empty() {
            return false;
        }
        let foreign = self.names.is_foreign(mounts);
        self.reader.ask(Job::Program { program, by: by(key), item, foreign })
    }

    /// Who did something: known by its key, or by its pid alone.
    fn actor(&mut self, process: Identity, task: Option<&Task>, at: u64) -> Option<ProcessKey> {
        if let Some(key) = raw::key(process) {
            self.ensure(key, task);
            return Some(key);
        }
        if process.pid == 0 {
            return None;
        }
        if let Some(key) = self.tree.at(process.pid, at, SLACK) {
            return Some(key);
        }
        // Its beginning was missed. Whoever has the pid now had it then, if he began before.
        if !self.may_look_up() {
            return None;
        }
        let found = process::get(process.pid).ok().filter(|found| !found.kernel)?;
        let key = raw::key(found.identity)?;
        let started = since_boot_of(key);
        if started > at.saturating_sub(SLACK) {
            return None;
        }
        self.ensure(key, None);
        Some(key)
    }

    fn may_look_up(&mut self) -> bool {
        let second = crate::recorder::times::since_boot() / 1_000_000_000;
        let (in_second, count) = &mut self.state.looked_up;
        if *in_second != second {
            (*in_second, *count) = (second, 0);
        }
        *count += 1;
        *count <= LOOKUPS
    }

    /// Has a process in the tree whose beginning was missed.
    pub(super) fn ensure(&mut self, key: ProcessKey, task: Option<&Task>) {
        if self.tree.get(key).is_some() {
            return;
        }
        let mut entry = Entry { incomplete: true, started: 1, ..Entry::default() };
        entry.started = since_boot_of(key).max(1);
        if let Some(task) = task {
            entry.who = who(task, None);
            entry.started = task.start.max(1);
            // A process whose parent has ended belongs to another, which did not make it: only one that does not take
            // processes over is believed.
            entry.parent = task.parent.and_then(raw::key).filter(|parent| {
                let above = self.tree.get(*parent);
                parent.pid != 1 && above.is_some_and(|above| !self.tree.is_daemon(above))
            });
        }
        if self.may_look_up()
            && let Ok(found) = process::get(key.pid)
            && raw::key(found.identity) == Some(key)
        {
            let path = found.exe.as_ref().map(|exe| raw::path(&exe.path)).unwrap_or_default();
            let nameless = found.exe.is_some_and(|exe| exe.deleted);
            let image = Image { path, nameless, ..Image::default() };
            entry.program = Arc::new(Program { image, ..Program::default() });
            if task.is_none() {
                entry.who = Arc::new(Who { uid: found.uid.unwrap_or(0), ..Who::default() });
            }
        }
        self.tree.insert(key, entry);
        self.joined(key);
    }

    /// Has a live process in the tree whose beginning was missed; none where no such process lives.
    pub(super) fn ensure_living(&mut self, key: ProcessKey) {
        if process::get(key.pid).is_ok_and(|found| raw::key(found.identity) == Some(key)) {
            self.ensure(key, None);
        }
    }

    fn network(&mut self, process: Identity, task: Option<&Task>, network: &Network, at: u64) {
        let deed = raw::network(network);
        let step = network.step;
        if matches!(step, Step::Connected | Step::Failed(_))
            && let Some((id, at_us, key)) = self.state.connections.remove(&network.id)
        {
            // The same event, as it ended.
            let item = Arc::new(Item { id, at_us, key, what: What::Other(deed) });
            self.again(&item);
            return;
        }
        let Some(key) = self.actor(process, task, at) else { return self.unattributed() };
        self.connected(key, &deed);
        let item = self.record(key, at, What::Other(deed));
        if step == Step::Connecting {
            if self.state.connections.len() >= CONNECTIONS {
                self.state.connections.clear();
            }
            self.state.connections.insert(network.id, (item.id, item.at_us, key));
        }
    }

    fn file(&mut self, process: Identity, change: &FileChange, at: u64) {
        let Some(key) = self.actor(process, None, at) else { return self.unattributed() };
        let item = self.item(key, self.times.wall_us(at), What::File(raw::file(change), Arc::default()));
        let read = change.facts.filter(|facts| {
            let runs = facts.format != quell_host::recorder::raw::Format::Other || facts.mode & RUNS != 0;
            facts.mode & TYPE == REGULAR && (runs || change.sensitive)
        });
        let is_asked = read.is_some_and(|facts| {
            let mounts = self.tree.get(key).map_or(0, |entry| entry.who.mounts);
            self.reader.ask(Job::File {
                item: item.clone(),
                path: raw::path(&change.path),
                inode: (facts.device, facts.inode),
                by: Some(by(key)),
                foreign: change.foreign || self.names.is_foreign(mounts),
            })
        });
        self.put(&item, !is_asked);
    }

    /// An activity event with its number.
    pub(super) fn item(&mut self, key: ProcessKey, at_us: i64, what: What) -> Arc<Item> {
        let id = self.next_id;
        self.next_id += 1;
        self.door.counts().activities.fetch_add(1, Ordering::Relaxed);
        Arc::new(Item { id, at_us, key, what })
    }

    pub(super) fn record(&mut self, key: ProcessKey, at: u64, what: What) -> Arc<Item> {
        let item = self.item(key, self.times.wall_us(at), what);
        self.put(&item, true);
        item
    }

    fn record_at(&mut self, key: ProcessKey, at_us: i64, what: What) {
        let item = self.item(key, at_us, what);
        self.put(&item, true);
    }

    /// Has an event written, told and judged. `is_learned`: nothing more will be known of its file.
    pub(super) fn put(&mut self, item: &Arc<Item>, is_learned: bool) {
        self.keep(item.key);
        self.write(item);
        let entry = self.tree.get(item.key);
        let is_own = entry.is_some_and(|entry| entry.own);
        if let Some((slot, _)) = entry.and_then(|entry| entry.chain)
            && let Some(chain) = self.state.chains.get_mut(slot)
        {
            chain.changed(item.key);
            chain.activity(item);
        }
        if matches!(&item.what, What::Other(Deed::Connect(_) | Deed::Dns(_))) {
            if self.state.recent.len() >= RECENT {
                self.state.recent.pop_front();
            }
            self.state.recent.push_back(item.clone());
        }
        // What the agent does itself is recorded and never detected.
        let Some(category) = category(item).filter(|category| !is_own && self.judge.wants(category)) else {
            return;
        };
        if is_learned || !self.judge.waits(category) {
            self.judge(item);
        } else {
            let due = Instant::now() + PATIENCE;
            let waiting = Waiting { due, item: item.clone(), is_judged: false, hits: Vec::new() };
            self.state.waiting.insert(item.id, waiting);
        }
    }

    pub(super) fn write(&mut self, item: &Arc<Item>) {
        self.state.items.push(item.clone());
        self.state.flush.get_or_insert_with(|| Instant::now() + FLUSH);
    }

    /// An event that was written is another now.
    pub(super) fn again(&mut self, item: &Arc<Item>) {
        self.write(item);
        self.tell_again(item);
    }

    /// Its chain tells it once more, where it has told it without what is known now.
    pub(super) fn tell_again(&mut self, item: &Arc<Item>) {
        let slot = self.tree.get(item.key).and_then(|entry| entry.chain).map(|(slot, _)| slot);
        if let Some(chain) = slot.and_then(|slot| self.state.chains.get_mut(slot)) {
            chain.facts(item);
        }
    }

    /// A process did something: it is written, with its ancestors.
    pub(super) fn keep(&mut self, key: ProcessKey) {
        let mut next = Some(key);
        while let Some(key) = next.take() {
            let Some(entry) = self.tree.get_mut(key) else { return };
            if entry.is_kept {
                return;
            }
            entry.is_kept = true;
            next = entry.parent;
            self.state.dirty.insert(key);
        }
        self.state.flush.get_or_insert_with(|| Instant::now() + FLUSH);
    }

    /// A process is another now: it ended, or began a program.
    pub(super) fn changed(&mut self, key: ProcessKey) {
        let Some(entry) = self.tree.get(key) else { return };
        let (is_kept, slot) = (entry.is_kept, entry.chain.map(|(slot, _)| slot));
        if is_kept {
            self.state.dirty.insert(key);
            self.state.flush.get_or_insert_with(|| Instant::now() + FLUSH);
        }
        if let Some(chain) = slot.and_then(|slot| self.state.chains.get_mut(slot)) {
            chain.changed(key);
        }
    }
}

/// Shared with a relative that is the same.
fn who(task: &Task, like: Option<&Arc<Who>>) -> Arc<Who> {
    let who = Who {
        uid: task.euid,
        login: task.login,
        pid_namespace: task.inner.map_or(0, |inner| inner.namespace),
        mounts: task.mounts,
    };
    match like {
        Some(like) if **like == who => like.clone(),
        _ => Arc::new(who),
    }
}

/// When a process began: the beginning of its tick, nanoseconds since boot.
fn since_boot_of(key: ProcessKey) -> u64 {
    key.start.saturating_mul(1_000_000_000 / TICKS)
}

fn program(told: &Told, task: &Task) -> Program {
    let inode = (told.inode != 0).then_some((told.device, told.inode));
    Program { image: raw::image(told, task.terminal.as_deref()), inode, ..Program::default() }
}

/// The category of Sigma's that an event is of.
pub(super) fn category(item: &Item) -> Option<&'static str> {
    Some(match &item.what {
        What::Start(_) => "process_creation",
        What::File(..) => "file_event",
        What::Other(Deed::Connect(Connection { .. })) => "network_connection",
        What::Other(Deed::Dns(_)) => "dns_query",
        What::Other(Deed::Login(_)) => "authentication",
        What::Other(
            Deed::Start(_) | Deed::FileCreate(_) | Deed::FileWrite(_) | Deed::FileRename(_) | Deed::Listen(_),
        ) => return None,
    })
}
