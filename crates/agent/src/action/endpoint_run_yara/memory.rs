//! Memory: processes chosen, opened by identity, handed over one by one.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use quell_catalog::endpoint::run_yara::{Params, RunYara};
use quell_host::process::{self, Error, Identity, Listed, Memory, State, open_memory};
use quell_yara::Region;
use rustix::fs::{AtFlags, CWD, StatxFlags};

use super::super::sweep::{Flow, Stop};
use super::sweep::{Sweep, Target};
use crate::runner::chain;

/// Of the thread that reads a list of mappings. Bytes.
const STACK: usize = 512 << 10;
/// For a list of mappings at least.
const LEAST: Duration = Duration::from_secs(5);

/// A process to look at.
struct Chosen {
    identity: Identity,
    name: String,
}

pub(super) fn look(sweep: &mut Sweep<'_>) -> Flow {
    let chosen = match choose(sweep) {
        Ok(chosen) => chosen,
        Err(error) => return ControlFlow::Break(Stop::Failed("processes_unreadable", chain(&error))),
    };
    for Chosen { identity, name } in chosen {
        sweep.budget.admit(0)?;
        let memory = match opened(identity, sweep.budget.per_target()) {
            Some(Ok(memory)) => memory,
            None => {
                sweep.budget.skip("target_time_limit");
                continue;
            }
            Some(Err(error)) => {
                sweep.budget.skip(match error {
                    Error::NoSuchProcess { .. } => "vanished",
                    Error::Reused { .. } => "reused",
                    _ => "unreadable",
                });
                continue;
            }
        };
        sweep.unreadable += memory.unreadable;
        sweep.untouched += memory.untouched;
        if memory.foreign > 0 {
            // A part of this process alone: what is mapped from file systems that may not answer.
            sweep.budget.skip("foreign_mappings");
        }
        if memory.cut {
            sweep.budget.skip("too_many_ranges");
        }
        if memory.ranges.is_empty() {
            sweep.budget.skip("no_memory");
            continue;
        }
        sweep.budget.admit(memory.bytes)?;
        let regions = memory.ranges.iter().map(|(start, length)| Region { start: *start, length: *length });
        let (limits, stop, begun) = (sweep.limits(), sweep.budget.stop, Instant::now());
        let look = sweep.scanner.memory(memory.file.as_fd(), regions.collect(), limits, stop);
        let target = Target { path: None, process: Some((identity.pid, identity.start_time, &name)) };
        sweep.looked(&target, begun, look)?;
    }
    ControlFlow::Continue(())
}

/// The list of mappings has a lock, which a process that waits for a page of its own may hold. `None`: it was not had in
/// time; the thread that waits for it ends with that process, or with the agent.
fn opened(identity: Identity, limit: Duration) -> Option<Result<Memory, Error>> {
    let (sender, receiver) = mpsc::channel();
    let open = move || drop(sender.send(open_memory(identity)));
    let thread = std::thread::Builder::new().name("mappings".to_owned()).stack_size(STACK);
    thread.spawn(open).ok()?;
    receiver.recv_timeout(limit.max(LEAST)).ok()
}

fn choose(sweep: &mut Sweep<'_>) -> Result<Vec<Chosen>, Error> {
    let params = sweep.params;
    let named = params.processes.iter().filter_map(|text| RunYara::process(text));
    let mut missing: HashSet<Identity> =
        named.map(|(pid, start_time)| Identity { pid, start_time }).collect();
    let own = std::process::id();
    let program = program("self");
    let mut chosen = Vec::new();
    process::each(None, |listed| {
        let by_identity = missing.remove(&listed.identity);
        if !(params.all_processes || by_identity || fits(params, &listed)) {
            return ControlFlow::Continue(());
        }
        // The agent, and what it started of itself (workers, guard, keepers, supervisors), hold the very rules and orders:
        // they would only find those.
        if is_own(&listed, own, program) {
            sweep.budget.skip("own_process");
        } else if listed.kernel {
            sweep.budget.skip("kernel_thread");
        } else if matches!(listed.state, State::Zombie) && listed.threads <= 1 {
            sweep.budget.skip("zombie");
        } else {
            chosen
                .push(Chosen { identity: listed.identity, name: listed.name.to_string_lossy().into_owned() });
        }
        ControlFlow::Continue(())
    })?;
    for _ in missing {
        sweep.budget.skip("no_such_process");
    }
    Ok(chosen)
}

/// The file that a process runs, by device and inode: as the kernel remembers them, since the file system may be one that
/// does not answer.
fn program(process: impl std::fmt::Display) -> Option<(u32, u32, u64)> {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    let facts = rustix::fs::statx(CWD, format!("/proc/{process}/exe"), flags, StatxFlags::INO).ok()?;
    Some((facts.stx_dev_major, facts.stx_dev_minor, facts.stx_ino))
}

/// By the program that it runs and as whom, and not by a name that anybody can take. Workers run as another user.
fn is_own(listed: &Listed, own: u32, own_program: Option<(u32, u32, u64)>) -> bool {
    let is_ours = listed.parent == own || listed.uid == Some(rustix::process::geteuid().as_raw());
    let runs = || own_program.is_some() && program(listed.identity.pid) == own_program;
    listed.identity.pid == own || (is_ours && runs())
}

fn fits(params: &Params, listed: &Listed) -> bool {
    let named = params.process_names.iter().any(|name| listed.name.as_bytes() == name.as_bytes());
    let path = listed.exe.as_ref().map(|exe| exe.path.as_os_str().as_bytes());
    named || params.process_paths.iter().any(|wanted| path == Some(wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::Read as _;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// What the other test starts of this very program.
    #[test]
    #[ignore = "waits for its input to end"]
    fn waits() {
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }

    fn started(command: &mut Command) -> Child {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn processes_of_the_agent_are_known_by_their_program() {
        let (own, ours) = (std::process::id(), program("self"));
        let dir = tempfile::tempdir().unwrap();
        let fake = dir.path().join("quell-worker");
        std::fs::copy("/bin/cat", &fake).unwrap();
        let test = module_path!().split_once("::").unwrap().1.to_owned() + "::waits";
        let mut children = [
            started(&mut Command::new(&fake)),
            started(Command::new("/proc/self/exe").args(["--ignored", "--exact", &test])),
        ];
        let pids = children.each_ref().map(Child::id);
        // A child may still be this program before it is its own.
        let until = Instant::now() + Duration::from_secs(20);
        while program(pids[0]) == ours && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut found = [None; 2];
        let mut elsewhere = None;
        process::each(None, |listed| {
            for (pid, found) in pids.iter().zip(&mut found) {
                if listed.identity.pid == *pid {
                    *found = Some(is_own(&listed, own, ours));
                    // A supervisor has lost its parent.
                    if pids[1] == *pid {
                        elsewhere = Some(is_own(&listed, 1, ours));
                    }
                }
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        for child in &mut children {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
        assert_eq!((found, elsewhere), ([Some(false), Some(true)], Some(true)));
    }
}
