//! Hashes of running executables, taken from the file that runs and not from what lies under its name.
//!
//! A program chooses where it runs from: a file system that never answers, thousands of giants. So nothing is opened that may
//! keep the reader waiting ([`crate::guard::answers`]), small files come first, and who asks says how long.

use std::collections::HashMap;
use std::os::fd::AsFd;

use rustix::fs::OFlags;

use super::{Identity, Proc};
use crate::guard::{Digests, Key, MOST_HASHED, answers, digests_until, reopen};

/// Processes of one file that are kept, in case the first of them end meanwhile; and that are tried.
const OF_ONE: usize = 8;

/// Which process runs which file, and what is in these.
pub(super) struct Programs<'a> {
    files: HashMap<Key, Runs>,
    known: HashMap<Key, Digests>,
    /// Whether no more is to be read.
    stop: &'a dyn Fn() -> bool,
}

/// Who runs a file.
#[derive(Default)]
struct Runs {
    tried: usize,
    /// By whom it can be opened.
    by: Vec<Identity>,
}

impl<'a> Programs<'a> {
    pub fn new(stop: &'a dyn Fn() -> bool) -> Self {
        Self { files: HashMap::new(), known: HashMap::new(), stop }
    }

    /// Notes what a process runs. `None`: it runs nothing that can be told.
    pub fn note(&mut self, proc: &Proc, identity: Identity) -> Option<Key> {
        let handle = proc.open_at("exe", OFlags::PATH).ok()?;
        let key = Key::remembered(&handle)?;
        let runs = self.files.entry(key).or_default();
        if runs.tried < OF_ONE && !(self.stop)() {
            runs.tried += 1;
            if !runs.by.is_empty() || answers(handle.as_fd(), proc.as_fd()) {
                runs.by.push(identity);
            }
        }
        Some(key)
    }

    /// Reads all files, the small ones first. What runs many times costs one reading.
    pub fn read(&mut self, with_sha1: bool) {
        let mut files: Vec<(&Key, &Runs)> = self.files.iter().collect();
        files.sort_unstable_by_key(|(key, _)| key.size());
        for (key, runs) in files {
            if (self.stop)() {
                return;
            }
            let digests = runs.by.iter().find_map(|by| read(*key, *by, with_sha1, self.stop));
            self.known.extend(digests.map(|digests| (*key, digests)));
        }
    }

    pub fn digests(&self, key: &Key) -> Option<Digests> {
        self.known.get(key).copied()
    }
}

/// Anew by the process, so that no more than one file is open at once; where that has ended, nothing is known.
fn read(key: Key, by: Identity, with_sha1: bool, stop: &dyn Fn() -> bool) -> Option<Digests> {
    let proc = Proc::open(by.pid).ok()??;
    let handle = proc.open_at("exe", OFlags::PATH).ok()?;
    if Key::remembered(&handle) != Some(key) || !answers(handle.as_fd(), proc.as_fd()) {
        return None;
    }
    let file = reopen(handle.as_fd()).ok()?;
    digests_until(file, with_sha1, MOST_HASHED, stop).ok()
}
