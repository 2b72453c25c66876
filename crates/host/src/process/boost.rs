//! Being scheduled ahead of what is being ended. A fork bomb fills the run queue with thousands of
//! processes; at equal rank the one thread that stops them would get a thousandth of a processor.

use rustix::process::{getpriority_process, setpriority_process};

/// Raises the calling thread while it lives, as far as the system allows.
pub(super) struct Boost {
    /// The policy to go back to.
    policy: Option<libc::c_int>,
    nice: Option<i32>,
}

impl Boost {
    pub fn new() -> Self {
        // SAFETY: takes no pointer; 0 is the calling thread.
        let before = unsafe { libc::sched_getscheduler(0) };
        if before >= 0 && schedule(libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, 1) {
            return Self { policy: Some(before), nice: None };
        }
        let nice = getpriority_process(None).ok().filter(|_| setpriority_process(None, -20).is_ok());
        Self { policy: None, nice }
    }
}

impl Drop for Boost {
    fn drop(&mut self) {
        if let Some(policy) = self.policy {
            schedule(policy, 0);
        }
        if let Some(nice) = self.nice {
            let _ = setpriority_process(None, nice);
        }
    }
}

fn schedule(policy: libc::c_int, priority: libc::c_int) -> bool {
    let param = libc::sched_param { sched_priority: priority };
    // SAFETY: `param` outlives the call, which only reads it; 0 is the calling thread.
    unsafe { libc::sched_setscheduler(0, policy, &raw const param) == 0 }
}
