//! Where a chain begins, and who belongs to it.

use std::collections::VecDeque;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use quell_wire::activity::ProcessKey;

use super::{Entry, FIRST, Reach, Tree};

/// Programs that start what is none of their own business: services, logins, jobs, containers. What stands below one of them
/// began there; what stands above it, and beside it, has nothing to do with it. They count only from a directory of the
/// system, so that nobody cuts a chain off by a name that he gives to his program.
const DAEMONS: [&str; 32] = [
    "systemd",
    "init",
    "upstart",
    "openrc",
    "runit",
    "runsv",
    "runsvdir",
    "s6-svscan",
    "s6-supervise",
    "supervisord",
    "monit",
    "sshd",
    "dropbear",
    "login",
    "agetty",
    "getty",
    "cron",
    "crond",
    "anacron",
    "atd",
    "inetd",
    "xinetd",
    "containerd-shim",
    "containerd-shim-runc-v2",
    "conmon",
    "dockerd",
    "containerd",
    "crio",
    "lxc-start",
    "gdm3",
    "sddm",
    "lightdm",
];
/// Where programs of the system are.
const SYSTEM: [&[u8]; 5] = [b"/usr/", b"/sbin/", b"/bin/", b"/lib/", b"/opt/"];
/// Generations that are followed.
const DEPTH: usize = 256;
/// Processes of a tree that all belong to the chain; of a larger one only what is near.
pub const WHOLE: usize = 500;

/// Whether a path is that of a program of such a name in one of these places.
pub fn is_one_of(path: &[u8], places: &[&[u8]], names: &[&str]) -> bool {
    let name = Path::new(std::ffi::OsStr::from_bytes(path)).file_name().unwrap_or_default();
    places.iter().any(|place| path.starts_with(place)) && names.iter().any(|known| name == *known)
}

impl Tree {
    /// The topmost ancestor that has to do with a process, the process itself where none has.
    pub fn root(&self, key: ProcessKey) -> ProcessKey {
        let mut root = key;
        for _ in 0..DEPTH {
            let Some(parent) = self.get(root).and_then(|entry| entry.parent) else { return root };
            let Some(above) = self.get(parent) else { return root };
            if parent.pid == FIRST || above.own || self.is_daemon(above) {
                return root;
            }
            root = parent;
        }
        root
    }

    /// Whether a process starts what is none of its own business. One that a daemon made of itself, such as `sshd` for
    /// each session, belongs to what it was made for.
    pub fn is_daemon(&self, entry: &Entry) -> bool {
        let path = entry.program.image.path.as_slice();
        if !is_one_of(path, &SYSTEM, &DAEMONS) {
            return false;
        }
        match entry.parent {
            None => true,
            Some(parent) if parent.pid == FIRST => true,
            Some(parent) => self.get(parent).is_none_or(|above| above.program.image.path != path),
        }
    }

    /// Ancestors up to the root, the next one first.
    pub fn ancestors(&self, key: ProcessKey, root: ProcessKey) -> Vec<ProcessKey> {
        let mut all = Vec::new();
        let mut at = key;
        while at != root && all.len() < DEPTH {
            let Some(parent) = self.get(at).and_then(|entry| entry.parent) else { break };
            all.push(parent);
            at = parent;
        }
        all
    }

    /// Everything that descends from a process and is in the tree, the process first; at most `most`, and whether that was all.
    pub fn below(&self, key: ProcessKey, most: usize) -> (Vec<ProcessKey>, bool) {
        let (mut all, mut queue) = (Vec::new(), VecDeque::from([key]));
        while let Some(key) = queue.pop_front() {
            if all.len() == most {
                return (all, false);
            }
            all.push(key);
            if let Some(entry) = self.get(key) {
                queue.extend(entry.children.iter().copied().take(most));
            }
        }
        (all, true)
    }

    /// How far the chain of a detection reaches, from each of its processes: the whole tree where that is small, else the
    /// detected process with all that descends from it, and its ancestors with their children.
    pub fn reach(&self, key: ProcessKey, root: ProcessKey) -> Vec<(ProcessKey, Reach)> {
        let detected = self.get(key);
        if detected.is_some_and(|entry| key == root && (key.pid == FIRST || self.is_daemon(entry))) {
            return vec![(key, Reach::Children)];
        }
        if self.below(root, WHOLE).1 {
            return vec![(root, Reach::All)];
        }
        let above = self.ancestors(key, root).into_iter().map(|above| (above, Reach::Children));
        above.chain([(key, Reach::All)]).collect()
    }

    /// Puts processes into a chain as far as it reaches; those that were not in it, or less far, are told, at most `most`,
    /// and how many there are beyond.
    pub fn enlist(
        &mut self,
        chain: u32,
        seeds: &[(ProcessKey, Reach)],
        most: usize,
    ) -> (Vec<(ProcessKey, Reach)>, u64) {
        let (mut all, mut beyond) = (Vec::new(), 0);
        let mut queue: VecDeque<(ProcessKey, Reach)> = seeds.iter().copied().collect();
        while let Some((key, reach)) = queue.pop_front() {
            let Some(entry) = self.get_mut(key) else { continue };
            match entry.chain {
                Some((other, _)) if other != chain => continue,
                Some((_, known)) if known >= reach => continue,
                _ => {}
            }
            if all.len() == most {
                beyond += 1;
                continue;
            }
            entry.chain = Some((chain, reach));
            all.push((key, reach));
            if let Some(below) = reach.below() {
                queue.extend(entry.children.iter().map(|child| (*child, below)));
            }
        }
        (all, beyond)
    }

    /// A chain is closed: nobody belongs to it any more.
    pub fn discharge(&mut self, chain: u32) {
        for entry in self.entries.values_mut() {
            if entry.chain.is_some_and(|(other, _)| other == chain) {
                entry.chain = None;
            }
        }
    }
}
