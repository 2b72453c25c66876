//! What the guard tells the agent: never waited for, never more than a few lines a second.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::content::Digests;
use super::{Attempt, Hit, LINE, Tell};

/// Reports at once, and how many more each second.
const BURST: f64 = 32.0;
const PER_SECOND: f64 = 4.0;
/// Longest path in a report. Bytes.
const PATH: usize = 1024;

/// Standard output. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Out(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bucket: Mutex<(f64, Instant)>,
    untold: AtomicU64,
    told: AtomicU64,
}

impl Out {
    pub fn new() -> Self {
        // Where it cannot be set a stopped reader could stop the guard; the agent's ping would find out.
        let _ = rustix::io::ioctl_fionbio(io::stdout(), true);
        let bucket = Mutex::new((BURST, Instant::now()));
        Self(Arc::new(Inner { bucket, untold: AtomicU64::new(0), told: AtomicU64::new(0) }))
    }

    pub fn unchecked(&self, file: BorrowedFd<'_>, pid: u32, why: &str) {
        if self.may() {
            self.tell(&Tell::Unchecked { path: path(file), pid, why: why.to_owned() });
        }
    }

    /// `hit` is only made where it is told.
    pub fn hit(&self, hit: impl FnOnce() -> Hit) {
        if self.may() {
            let before = self.0.told.swap(self.untold(), Ordering::Relaxed);
            let untold = self.untold() - before.min(self.untold());
            self.tell(&Tell::Hit(Box::new(Hit { untold, ..hit() })));
        }
    }

    fn tell(&self, tell: &Tell) {
        if !say(tell) {
            self.0.untold.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Reports that were left out.
    pub fn untold(&self) -> u64 {
        self.0.untold.load(Ordering::Relaxed)
    }

    fn may(&self) -> bool {
        let mut bucket = self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, at) = *bucket;
        let now = Instant::now();
        let left = (left + now.duration_since(at).as_secs_f64() * PER_SECOND).min(BURST);
        let may = left >= 1.0;
        *bucket = (if may { left - 1.0 } else { left }, now);
        drop(bucket);
        if !may {
            self.0.untold.fetch_add(1, Ordering::Relaxed);
        }
        may
    }
}

/// One line, or none where there is no room: the agent's answer must not be waited for. Whether it was said.
pub(super) fn say(tell: &Tell) -> bool {
    let Ok(mut line) = serde_json::to_vec(tell) else { return false };
    line.push(b'\n');
    line.len() <= LINE && rustix::io::write(io::stdout().as_fd(), &line) == Ok(line.len())
}

/// Where an open file lies, as the kernel has it.
pub(super) fn path(file: impl AsFd) -> String {
    use std::os::fd::AsRawFd;
    let link = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let path = std::fs::read_link(link).unwrap_or_default();
    clip(&path.to_string_lossy(), PATH)
}

/// Without control characters, of which JSON makes six bytes each, and not longer than this: a line that tells it is short
/// enough to be told.
pub(super) fn clip(text: &str, most: usize) -> String {
    let mut clean = String::new();
    for letter in text.chars() {
        let size = clean.len();
        if letter.is_control() {
            clean.extend(letter.escape_unicode());
        } else {
            clean.push(letter);
        }
        if clean.len() > most {
            clean.truncate(size);
            break;
        }
    }
    clean
}

/// What is known of one meeting with blocked content.
pub(super) fn hit(attempt: Attempt, rule: String, path: String, digests: &Digests, pid: u32) -> Hit {
    let who = Who::of(pid);
    let parent = Who::of(who.ppid);
    Hit {
        attempt,
        denied: false,
        rule,
        path,
        sha256: crate::hex(&digests.sha256),
        sha1: digests.sha1.map(|hash| crate::hex(&hash)),
        pid,
        uid: who.uid,
        name: who.name,
        ppid: who.ppid,
        parent: parent.name,
        untold: 0,
        let_pass: None,
    }
}

/// Whose process this is, by its real user; nobody's where that cannot be known.
pub(super) fn user(pid: u32) -> u32 {
    let text = status(pid);
    let uid = field(&text, "Uid").and_then(|text| text.split_whitespace().next()?.parse().ok());
    uid.unwrap_or(u32::MAX)
}

/// Whether this is a confined worker ([`crate::worker`]) that the agent itself started: its child, of its own program, by
/// the name that it gives them. Not so what the agent's scripts start: those are children of others.
pub(super) fn is_worker(pid: u32, agent: u32) -> bool {
    let text = status(pid);
    if pid == 0 || field(&text, "PPid").and_then(|text| text.parse().ok()) != Some(agent) {
        return false;
    }
    let process = Path::new("/proc").join(pid.to_string());
    // Without asking a file system, and so without waiting for one.
    let program = |exe: &Path| {
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
        let handle = rustix::fs::open(exe, flags, rustix::fs::Mode::empty()).ok()?;
        let facts = super::local::facts(handle.as_fd()).ok()?;
        Some((facts.stx_dev_major, facts.stx_dev_minor, facts.stx_ino))
    };
    let own = program(Path::new("/proc/self/exe"));
    // The memory of others may wait for a file of theirs; that of our own program in our own child does not.
    let line = || std::fs::read(process.join("cmdline")).unwrap_or_default();
    own.is_some()
        && program(&process.join("exe")) == own
        && line().split(|byte| *byte == 0).nth(1) == Some(b"worker".as_slice())
}

/// `/proc/PID/status`; empty where it is gone.
fn status(pid: u32) -> String {
    let text = std::fs::read(Path::new("/proc").join(pid.to_string()).join("status")).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches(':').trim())
}

#[derive(Default)]
struct Who {
    name: String,
    ppid: u32,
    uid: Option<u32>,
}

impl Who {
    fn of(pid: u32) -> Self {
        if pid == 0 {
            return Self::default();
        }
        let text = status(pid);
        let field = |name| field(&text, name);
        Self {
            name: clip(field("Name").unwrap_or_default(), 64),
            ppid: field("PPid").and_then(|text| text.parse().ok()).unwrap_or_default(),
            // Real, effective, saved, file system.
            uid: field("Uid").and_then(|text| text.split_whitespace().nth(1)?.parse().ok()),
        }
    }
}
