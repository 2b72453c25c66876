//! The last source of processes: a look at `/proc` each second. What begins and ends between two looks is never seen, and
//! what one process becomes is known only by its start.

use std::collections::HashMap;

use super::clock::Clock;
use super::details::Looker;
use super::raw::{Raw, What};
use crate::process::{Commands, Identity};

/// Compares each look with the one before.
#[derive(Debug)]
pub(super) struct Polling {
    looker: Looker,
    /// What ran at the last look, by pid: its start.
    known: HashMap<u32, u64>,
    /// When that was.
    last: u64,
}

/// Between two looks, whatever else wakes the recorder up. Nanoseconds.
const EACH: u64 = 1_000_000_000;

impl Polling {
    pub fn new(looker: Looker) -> Self {
        let mut polling = Self { looker, known: HashMap::new(), last: 0 };
        // What runs now is told by the snapshot.
        polling.look(|_| {});
        polling
    }

    /// Tells what is new and what is gone.
    pub fn look(&mut self, mut tell: impl FnMut(Raw)) {
        let (commands, now) = (Commands::new(), Clock::now());
        if now.saturating_sub(self.last) < EACH {
            return;
        }
        self.last = now;
        let Ok(rows) = crate::process::rows() else { return };
        let running = rows.iter().filter(|row| !row.kernel && !row.is_dead());
        let running: HashMap<u32, u64> = running.map(|row| (row.pid, row.start_time)).collect();
        for (pid, start_time) in &self.known {
            if running.get(pid) != Some(start_time) {
                let process = Identity { pid: *pid, start_time: *start_time };
                tell(Raw { at: now, process, task: None, what: What::Exited { status: None } });
            }
        }
        for (pid, start_time) in &running {
            if self.known.get(pid) != Some(start_time)
                && let Some(looked) = self.looker.look(*pid, &commands)
            {
                let at = looked.task.start;
                tell(looked.into_raw(at, What::Executed));
            }
        }
        self.known = running;
    }
}
