//! What may wait: rules that come, mounts that appear, files that are known by path, programs that run already.

use std::collections::HashSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use super::book::{Book, Verdict};
use super::content::Key;
use super::local::{answers, open_local, reopen};
use super::reader::Core;
use super::report::{self, clip, path, say};
use super::scope::{Watched, watch};
use super::{Attempt, Hit, Rules, Tell};

/// Between two looks at mount namespaces of others and at what runs.
const LOOK: Duration = Duration::from_secs(10);
/// Looks after which the protected files are looked for anew: packages replace them.
const PROTECTING: u64 = 6;
/// Spent on reading programs at one look; the others come at the next.
const READING: Duration = Duration::from_millis(500);
/// Programs that were looked at; beyond that all are forgotten.
const SEEN: usize = 16_384;
/// Programs of one look that are told to be unread, lest they fill the reports; the others come at the next.
const FOREIGN: u32 = 4;
/// Reasons that fit into a report.
const REASONS: usize = 4;

pub(super) enum Task {
    Rules(u64, Rules),
    Mounts,
}

pub(super) fn run(core: &Core, tasks: &Receiver<Task>) {
    let mut keeper = Keeper { core, active: false, seen: HashSet::new() };
    let (mut next, mut looks) = (Instant::now() + LOOK, 0_u64);
    loop {
        match tasks.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Task::Rules(generation, rules)) => {
                keeper.apply(generation, &rules);
                keeper.sweep();
            }
            // Mounts come in dozens; those that came meanwhile are seen by one look.
            Ok(Task::Mounts) => keeper.look(),
            Err(RecvTimeoutError::Timeout) => {
                next = Instant::now() + LOOK;
                looks += 1;
                if looks % PROTECTING == 0 {
                    core.protect();
                }
                keeper.look();
                keeper.sweep();
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

struct Keeper<'a> {
    core: &'a Core,
    /// Rules were given: before that nothing is watched.
    active: bool,
    seen: HashSet<Key>,
}

impl Keeper<'_> {
    fn apply(&mut self, generation: u64, rules: &Rules) {
        let book = match Book::new(rules) {
            Ok(book) => book,
            Err(error) => {
                say(&Tell::Broken { problem: format!("the rules cannot be read: {error}") });
                return;
            }
        };
        self.core.protect();
        self.core.turn(book);
        self.seen.clear();
        self.active = true;
        let Watched { count, mut problems } = watch(&self.core.group);
        problems.truncate(REASONS);
        if count == 0 {
            let problem = clip(&format!("nothing can be watched here: {}", problems.join("; ")), 1024);
            say(&Tell::Broken { problem });
            return;
        }
        let paths = rules.rules.iter().flat_map(|rule| &rule.paths);
        let marked = paths.filter(|path| self.mark(Path::new(path))).count() as u64;
        for problem in &mut problems {
            *problem = clip(problem, 256);
        }
        let applied = Tell::Applied { generation, watched: count, unwatched: problems, marked };
        // The one line that somebody waits for.
        let late = Instant::now() + Duration::from_secs(5);
        while !say(&applied) && Instant::now() < late {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn look(&self) {
        if self.active {
            watch(&self.core.group);
        }
    }

    /// Whether the file there is blocked content; then it cannot be opened from now on.
    fn mark(&self, path: &Path) -> bool {
        let Ok(file) = open_local(path) else { return false };
        let Some(key) = Key::of(&file) else { return false };
        let with_sha1 = self.core.book().wants_sha1();
        let digests = match self.core.recall(&key) {
            Some(digests) => digests,
            None => match self.core.read(file.as_fd(), &key, with_sha1) {
                Ok(digests) => digests,
                Err(_) => return false,
            },
        };
        let book = self.core.book();
        let is_blocked = matches!(book.verdict(&digests), Verdict::Block(_)) && !self.core.is_protected(&key);
        if is_blocked {
            self.core.block(file.as_fd(), &key);
        }
        is_blocked
    }

    /// Programs that run although they are blocked: begun before the rule, from memory, from a file system that is not
    /// watched, or in the moment before a mount was.
    fn sweep(&mut self) {
        if !self.active {
            return;
        }
        if self.seen.len() > SEEN {
            self.seen.clear();
        }
        let until = Instant::now() + READING;
        let mut told = 0;
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            if Instant::now() >= until {
                return;
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            if let Ok(process) = rustix::fs::open(entry.path(), flags, Mode::empty()) {
                self.look_at(pid, process.as_fd(), &mut told);
            }
        }
    }

    fn look_at(&mut self, pid: u32, process: BorrowedFd<'_>, told: &mut u32) {
        // By the link, without opening: most are known.
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let Ok(place) = rustix::fs::openat(process, "exe", flags, Mode::empty()) else { return };
        let Some(key) = Key::remembered(&place).filter(|key| !self.seen.contains(key)) else { return };
        if !answers(place.as_fd(), process) {
            // What is not told now is met again at the next look.
            if *told < FOREIGN {
                *told += 1;
                self.seen.insert(key);
                self.core.out.unchecked(place.as_fd(), pid, "foreign");
            }
            return;
        }
        let digests = self.core.recall(&key).or_else(|| {
            let file = reopen(place.as_fd()).ok()?;
            if Key::of(&file) != Some(key) {
                return None;
            }
            let with_sha1 = self.core.book().wants_sha1();
            self.core.read(file.as_fd(), &key, with_sha1).ok()
        });
        self.seen.insert(key);
        let Some(digests) = digests else { return };
        let verdict = self.core.book().verdict(&digests);
        let (Verdict::Block(rule) | Verdict::Report(rule)) = verdict else { return };
        let why = if self.core.is_protected(&key) { "protected" } else { "running" };
        let at = path(&place);
        self.core.out.hit(|| Hit {
            let_pass: Some(why.to_owned()),
            ..report::hit(Attempt::Running, rule, at, &digests, pid)
        });
    }
}
