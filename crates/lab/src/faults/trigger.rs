//! Where a process is killed: at its n-th call of the system that changes something outside of it, on sight of a
//! command's state, or after a while.
//!
//! The programs have no hooks for this. `strace` attaches to every thread and lets SIGKILL strike when the call
//! is entered, before the kernel has begun it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::random::Random;
use super::{Error, failed, look};

/// A call that does not come within this time is not waited for.
const PATIENCE: Duration = Duration::from_millis(800);
/// For a process to be gone after SIGKILL.
const END: Duration = Duration::from_secs(20);
/// For `strace` to see that whom it traced is dead.
const LET_GO: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(1);

/// Whom it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The server.
    Server,
    /// The agent of the endpoint with this number.
    Agent(usize),
}

/// When it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// At the n-th of these calls by one thread; of the write-ahead log only, where `log`.
    Call {
        /// Names, as `strace` has them.
        calls: &'static str,
        /// Only calls on the database's write-ahead log.
        log: bool,
        /// Which one.
        nth: u64,
    },
    /// As soon as a command is seen in this state.
    Seen(&'static str),
    /// After so many milliseconds.
    After(u64),
}

/// One planned kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whom.
    pub victim: Victim,
    /// When.
    pub trigger: Trigger,
}

/// How a kill came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Struck {
    /// At its trigger.
    There,
    /// The trigger did not come in time; killed then.
    Late,
}

const SERVER: [(&str, bool, u64, u64); 5] = [
    ("pwrite64", true, 30, 45),
    ("fsync,fdatasync", true, 3, 15),
    ("write,writev,sendto,sendmsg", false, 5, 20),
    ("pwrite64,write", false, 12, 5),
    ("rename,renameat,renameat2,unlink", false, 1, 5),
];
const AGENT: [(&str, bool, u64, u64); 7] = [
    ("fsync,fdatasync", false, 4, 26),
    ("pwrite64,write,writev,sendto,sendmsg", false, 8, 26),
    ("pidfd_send_signal", false, 2, 8),
    ("clone,clone3,vfork,fork", false, 1, 8),
    ("rename,renameat,renameat2", false, 3, 8),
    ("unlink,unlinkat,rmdir", false, 4, 7),
    ("openat,mkdir,mkdirat", false, 10, 7),
];

impl Plan {
    /// Draws one.
    pub(super) fn draw(random: &mut Random, agents: usize) -> Self {
        // The server less often than the agents together: each time all of them wait before they come again.
        let (victim, calls) = if random.chance(40) {
            (Victim::Server, SERVER.as_slice())
        } else {
            (Victim::Agent(random.below(agents as u64) as usize), AGENT.as_slice())
        };
        let mut left = random.below(100);
        for &(calls, log, most, weight) in calls {
            if left < weight {
                let nth = 1 + random.below(most);
                return Self { victim, trigger: Trigger::Call { calls, log, nth } };
            }
            left -= weight;
        }
        let trigger = match random.below(4) {
            0 => Trigger::Seen("dispatched"),
            1 => Trigger::Seen("running"),
            _ => Trigger::After(random.below(400)),
        };
        Self { victim, trigger }
    }

    /// One that is likely to strike between an outcome's arrival and its commit.
    pub(super) fn while_committing(random: &mut Random) -> Self {
        let trigger = Trigger::Call { calls: "pwrite64", log: true, nth: 1 + random.below(30) };
        Self { victim: Victim::Server, trigger }
    }
}

impl std::fmt::Display for Trigger {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call { calls, log: true, .. } => write!(out, "{calls} on the write-ahead log"),
            Self::Call { calls, log: false, .. } => out.write_str(calls),
            Self::Seen(state) => write!(out, "a command is {state}"),
            Self::After(_) => out.write_str("after up to 400 ms"),
        }
    }
}

/// Kills the process with this pid as planned; it is dead (and not collected) when this returns.
pub(super) fn strike(plan: Plan, pid: u32, data: &Path) -> Result<Struck, Error> {
    let struck = match plan.trigger {
        Trigger::Call { calls, log, nth } => at_call(pid, calls, log.then_some(data), nth)?,
        Trigger::Seen(state) => {
            let came = until(PATIENCE, || look::any_in(data, state))?;
            if came { Struck::There } else { Struck::Late }
        }
        Trigger::After(milliseconds) => {
            std::thread::sleep(Duration::from_millis(milliseconds));
            Struck::There
        }
    };
    end(pid)?;
    Ok(struck)
}

/// Sees to it that a process is dead.
fn end(pid: u32) -> Result<(), Error> {
    if !is_dead(pid) {
        let missing = || failed("name a process")(std::io::ErrorKind::NotFound.into());
        let pid = Pid::from_raw(pid as i32).ok_or_else(missing)?;
        kill_process(pid, Signal::KILL).map_err(|error| failed("kill a process")(error.into()))?;
    }
    if until(END, || Ok(is_dead(pid)))? {
        return Ok(());
    }
    Err(failed("see the end of a process")(std::io::ErrorKind::TimedOut.into()))
}

fn at_call(pid: u32, calls: &str, data: Option<&Path>, nth: u64) -> Result<Struck, Error> {
    let mut command = Command::new("strace");
    command.args(["-qqq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    command.args(["-e", &format!("inject={calls}:signal=SIGKILL:when={nth}")]);
    if let Some(data) = data {
        command.arg("-P").arg(data.join("quell.db-wal"));
    }
    // Thread by thread: to follow new ones would be to follow children, which are not to be struck.
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).map_err(failed("list threads"))? {
        command.arg("-p").arg(thread.map_err(failed("list threads"))?.file_name());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut tracer = command.spawn().map_err(failed("start strace"))?;
    let came = until(PATIENCE, || Ok(is_dead(pid)))?;
    // Never asked to detach: it would wait for a first thread that cannot go before the others are collected. Killed,
    // it leaves them all to the kernel.
    end(pid)?;
    if !until(LET_GO, || Ok(has_ended(&mut tracer)))? {
        tracer.kill().map_err(failed("end strace"))?;
        tracer.wait().map_err(failed("end strace"))?;
    }
    Ok(if came { Struck::There } else { Struck::Late })
}

fn has_ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}

/// Gone, or only waiting to be collected.
fn is_dead(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

fn until(limit: Duration, mut look: impl FnMut() -> Result<bool, Error>) -> Result<bool, Error> {
    let end = Instant::now() + limit;
    loop {
        if look()? {
            return Ok(true);
        }
        if Instant::now() > end {
            return Ok(false);
        }
        std::thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_name_everybody_and_are_drawn_again_from_a_seed() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..200).map(|_| Plan::draw(&mut random, 3)).collect::<Vec<_>>()
        };
        let plans = draw(1);
        assert_eq!(plans, draw(1));
        let of = |victim| plans.iter().filter(|plan| plan.victim == victim).count();
        assert!(of(Victim::Server) > 60 && (0..3).all(|agent| of(Victim::Agent(agent)) > 20));
    }
}
