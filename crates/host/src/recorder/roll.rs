//! Who has which pid: so that what is told of a pid alone finds its process, also shortly after that has ended.

use std::collections::{HashMap, VecDeque};

use super::raw::{Raw, What};
use crate::process::{Identity, Proc};

/// Processes that are known at one time; a fork bomb makes no more of them.
const MOST: usize = 1 << 17;
/// Kept after their end. Nanoseconds.
const MEMORY: u64 = 5_000_000_000;

/// By pid, those that run and those that ended lately.
#[derive(Debug, Default)]
pub(super) struct Roll {
    lives: HashMap<u32, Life>,
    /// Ends, in the order of their telling.
    ended: VecDeque<(u64, Identity)>,
}

#[derive(Debug, Clone, Copy)]
struct Life {
    start_time: u64,
    /// When it began, in nanoseconds since boot.
    began: u64,
    ended: Option<u64>,
    /// It followed another one of the same pid that was remembered.
    follows: bool,
}

impl Roll {
    /// Learns from what is told. False where it was told before: the last two threads of a process may both end it.
    pub fn note(&mut self, raw: &Raw) -> bool {
        let Identity { pid, start_time } = raw.process;
        if pid == 0 {
            return true;
        }
        match &raw.what {
            What::Exited { .. } => match self.lives.get_mut(&pid) {
                Some(life) if life.start_time == start_time || start_time == 0 => {
                    let is_new = life.ended.is_none();
                    life.ended.get_or_insert(raw.at);
                    let identity = Identity { pid, start_time: life.start_time };
                    if is_new {
                        self.ended.push_back((raw.at, identity));
                    }
                    self.forget(raw.at);
                    return is_new || start_time == 0;
                }
                _ => {}
            },
            What::Running(_) | What::Forked { .. } | What::Executed(_) if start_time != 0 => {
                let known = self.lives.get(&pid).map(|life| life.start_time);
                if known != Some(start_time) {
                    if self.lives.len() >= MOST {
                        self.lives.clear();
                        self.ended.clear();
                    }
                    let began = raw.task.as_ref().map_or(raw.at, |task| task.start);
                    let follows = known.is_some();
                    self.lives.insert(pid, Life { start_time, began, ended: None, follows });
                }
            }
            _ => {}
        }
        true
    }

    /// The start of a process that is known by its pid, and may have ended; the latest that the kernel told of it.
    pub fn start(&self, pid: u32) -> Option<u64> {
        self.lives.get(&pid).map(|life| life.start_time)
    }

    /// Who had this pid when something was heard of that happened after `since`, and by when it did it at the latest. Start 0
    /// where two had it in that time.
    pub fn find(&self, pid: u32, since: u64, heard: u64) -> (Identity, u64) {
        let Some(life) = self.lives.get(&pid) else {
            let row = Proc::open(pid).ok().flatten().and_then(|proc| proc.row().ok().flatten());
            return (Identity { pid, start_time: row.map_or(0, |row| row.start_time) }, heard);
        };
        let start_time = if life.follows && life.began > since { 0 } else { life.start_time };
        // Right before its end, so that nobody is seen to do something after it.
        (Identity { pid, start_time }, life.ended.map_or(heard, |ended| heard.min(ended.saturating_sub(1))))
    }

    fn forget(&mut self, now: u64) {
        while let Some((at, identity)) = self.ended.front() {
            if now.saturating_sub(*at) < MEMORY {
                return;
            }
            if self.lives.get(&identity.pid).is_some_and(|life| life.start_time == identity.start_time) {
                self.lives.remove(&identity.pid);
            }
            self.ended.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(pid: u32, start_time: u64, at: u64, what: What) -> Raw {
        Raw { at, process: Identity { pid, start_time }, task: None, what }
    }

    #[test]
    fn a_pid_leads_to_who_had_it_then() {
        let mut roll = Roll::default();
        let (fork, exit) = (|| What::Forked { creator: None }, || What::Exited { status: Some(0) });
        let pid = u32::MAX;
        assert!(roll.note(&raw(pid, 10, 100, fork())));
        assert_eq!(roll.find(pid, 90, 200), (Identity { pid, start_time: 10 }, 200));
        assert!(roll.note(&raw(pid, 10, 150, exit())));
        assert!(!roll.note(&raw(pid, 10, 151, exit())), "told twice");
        assert_eq!(roll.find(pid, 90, 200), (Identity { pid, start_time: 10 }, 149));
        // Another takes the pid: of what was heard in between nobody knows whose it was.
        assert!(roll.note(&raw(pid, 16, 160, fork())));
        assert_eq!(roll.find(pid, 120, 200).0.start_time, 0);
        assert_eq!(roll.find(pid, 170, 200).0.start_time, 16);
        assert_eq!(roll.find(pid - 1, 0, 5).0.start_time, 0, "nobody");
    }

    #[test]
    fn the_dead_are_forgotten_after_a_while() {
        let mut roll = Roll::default();
        for pid in 1..=50_000 {
            let at = u64::from(pid) * 1_000_000;
            roll.note(&raw(pid, 7, at, What::Forked { creator: None }));
            roll.note(&raw(pid, 7, at + 1, What::Exited { status: None }));
        }
        assert!(roll.lives.len() <= 5_001 && roll.ended.len() <= 5_001, "{}", roll.lives.len());
    }
}
