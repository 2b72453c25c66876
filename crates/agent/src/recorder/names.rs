//! Names of accounts and containers, looked up when they are needed.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_host::process::accounts;

/// Between two looks whether the list of accounts changed.
const LOOK: Duration = Duration::from_secs(1);
/// Mount namespaces that are remembered; beyond that all are forgotten.
const MOST: usize = 4096;
const PASSWD: &str = "/etc/passwd";

/// What is known.
#[derive(Debug, Default)]
pub struct Names {
    users: BTreeMap<u32, String>,
    looked: Option<Instant>,
    stamp: Option<(i64, i64, u64)>,
    /// By inode of the mount namespace.
    containers: HashMap<u32, Arc<str>>,
    /// The agent's own mount namespace.
    pub mounts: u32,
}

impl Names {
    pub fn new(mounts: u32) -> Self {
        Self { mounts, ..Self::default() }
    }

    /// Looks whether accounts changed, if that was not just done.
    pub fn look(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        let facts = std::fs::metadata(PASSWD).ok();
        let stamp = facts.map(|facts| (facts.mtime(), facts.mtime_nsec(), facts.ino()));
        if stamp != self.stamp {
            self.stamp = stamp;
            self.users = accounts();
        }
    }

    pub fn user(&self, uid: u32) -> &str {
        let name = self.users.get(&uid).map_or("", String::as_str);
        name.get(..name.floor_char_boundary(quell_wire::limits::NAME)).unwrap_or_default()
    }

    /// The container of a mount namespace; empty where it is none, or not known yet.
    pub fn container(&self, mounts: u32) -> &str {
        self.containers.get(&mounts).map_or("", |id| id)
    }

    /// Whether it is another mount namespace than the agent's.
    pub fn is_foreign(&self, mounts: u32) -> bool {
        mounts != 0 && self.mounts != 0 && mounts != self.mounts
    }

    /// Whether it is to be found out what a mount namespace belongs to. Asked once.
    pub fn is_new(&mut self, mounts: u32) -> bool {
        if !self.is_foreign(mounts) || self.containers.contains_key(&mounts) {
            return false;
        }
        self.learn(mounts, Arc::default());
        true
    }

    pub fn learn(&mut self, mounts: u32, id: Arc<str>) {
        if self.containers.len() >= MOST {
            self.containers.clear();
        }
        self.containers.insert(mounts, id);
    }
}

/// Inode of the mount namespace of this process; 0 where it cannot be told.
pub fn own_mounts() -> u32 {
    let link = std::fs::read_link("/proc/self/ns/mnt").ok();
    let number = link
        .as_deref()
        .and_then(std::path::Path::to_str)
        .and_then(|text| text.strip_prefix("mnt:[")?.strip_suffix(']')?.parse().ok());
    number.unwrap_or(0)
}
