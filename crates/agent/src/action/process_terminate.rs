//! `process.terminate` on this endpoint: find what is meant, end it, look again.

mod evidence;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use quell_catalog::PathText;
use quell_catalog::process::terminate::{Ended, Outcome, Params, Spared};
use quell_host::process::{
    self, Commands, Error, Found, Guard, How, Identity, Options, Process, Scope, Selector,
};
use quell_host::system::boot_id;
use quell_wire::digest::unhex;

use super::file_prevent_run::HUNT;
use super::{Endpoint, leftovers, thread};
use crate::runner::{Cancel, Ending, Job, chain};
use crate::state::StateDir;
use evidence::{ended, fit, members_probe, probe, spared};

/// Processes named in an outcome, of each list.
const NAMED: usize = 256;
/// After the kill.
const WAIT: Duration = Duration::from_secs(5);
/// For a tree to be gone.
const TREE: Duration = Duration::from_secs(20);
/// For everything: well within the action's longest time.
const LIMIT: Duration = Duration::from_mins(4);
/// What is ended may be started again by something else: looked for this often before that is reported.
const ROUNDS: u32 = 5;
/// Ended at the same time, since each may take its grace.
const ABREAST: usize = 16;

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    let params: Params = match job.params() {
        Ok(params) => params,
        Err(ending) => return ending,
    };
    let (state, cancel, resumed) = (endpoint.state.clone(), job.cancel.clone(), job.is_resumed());
    let work = move |_: &_| terminate(&state, &params, &cancel, resumed);
    thread::run(work, |_| ()).await.unwrap_or_else(|ending| ending)
}

/// One order under way.
struct Work<'a> {
    params: &'a Params,
    guard: Guard,
    /// Of whom is ended, as far as they can be read.
    commands: Commands,
    cancel: &'a Cancel,
    until: Instant,
    ended: Vec<Ended>,
    spared: BTreeMap<Identity, Spared>,
    /// More than is listed.
    truncated: bool,
    /// Members of trees, to be looked for at the end.
    members: Vec<Identity>,
}

fn terminate(state: &StateDir, params: &Params, cancel: &Cancel, resumed: bool) -> Ending {
    if let Some(wanted) = &params.boot_id {
        match boot_id() {
            Ok(now) if now.to_string() == *wanted => {}
            Ok(_) => {
                return Ending::refused(
                    "other_boot",
                    "the endpoint was started again since; look the process up anew",
                );
            }
            Err(error) => return Ending::refused("boot_unknown", chain(&error)),
        }
    }
    let selector = match selector(params) {
        Ok(selector) => selector,
        Err(ending) => return ending,
    };
    let guard = match guard(state) {
        Ok(guard) => guard,
        Err(error) => return Ending::refused("processes_unreadable", chain(&error)),
    };
    let mut work = Work {
        params,
        guard,
        commands: Commands::new(),
        cancel,
        until: Instant::now() + LIMIT,
        ended: Vec::new(),
        spared: BTreeMap::new(),
        truncated: false,
        members: Vec::new(),
    };
    let before = match work.find(&selector) {
        Ok(found) => found,
        Err(error) => return Ending::refused("processes_unreadable", chain(&error)),
    };
    let done = match &selector {
        Selector::Identity(identity) => work.one(*identity, resumed),
        Selector::Sha1(_) | Selector::Sha256(_) | Selector::Path(_) => work.all(&selector, &before),
    };
    match done {
        Err(ending) => ending,
        Ok(()) => work.report(&selector, &before),
    }
}

fn selector(params: &Params) -> Result<Selector, Ending> {
    let invalid = || Ending::refused("params_invalid", "nothing names the process");
    if let (Some(pid), Some(start_time)) = (params.pid, params.start_time) {
        return Ok(Selector::Identity(Identity { pid, start_time }));
    }
    if let Some(sha256) = &params.sha256 {
        return unhex(sha256).map(Selector::Sha256).ok_or_else(invalid);
    }
    if let Some(sha1) = &params.sha1 {
        return unhex(sha1).map(Selector::Sha1).ok_or_else(invalid);
    }
    let path = PathText::from_fields(params.path.as_deref(), params.path_hex.as_deref()).ok().flatten();
    let path = path.ok_or_else(invalid)?;
    Ok(Selector::Path(PathBuf::from(OsString::from_vec(path.as_bytes().to_vec()))))
}

/// The agent with its ancestors, init, the kernel, and the supervisors of running scripts.
fn guard(state: &StateDir) -> Result<Guard, Error> {
    let mut guard = Guard::new()?;
    for supervisor in leftovers::supervisors(state) {
        guard.protect(supervisor);
    }
    Ok(guard)
}

/// How one attempt on one process went.
enum Done {
    Ended(Vec<Ended>, Vec<Identity>),
    Spared(Vec<Spared>, Vec<Ended>, Vec<Identity>),
}

impl Work<'_> {
    /// What the selector names now. Reading what runs ends with the order, and after a while in any case.
    fn find(&self, selector: &Selector) -> Result<Found, Error> {
        let until = self.until.min(Instant::now() + HUNT);
        let mut found = process::find(selector, &|| self.cancel.is_asked() || Instant::now() >= until)?;
        for hit in &mut found.matches {
            self.commands.fill(&mut hit.process);
        }
        Ok(found)
    }

    /// Exactly one process: refused as a whole where it must not be touched.
    fn one(&mut self, identity: Identity, resumed: bool) -> Result<(), Ending> {
        let mut named = process::get(identity.pid).ok().filter(|found| found.identity == identity);
        if let Some(process) = &mut named {
            self.commands.fill(process);
        }
        match self.end(identity, named.as_ref()) {
            Ok(done) => self.note(identity, done),
            Err(Error::NoSuchProcess { .. } | Error::Zombie { .. }) => {}
            // The first attempt ended it, and its id was given away since.
            Err(Error::Reused { .. }) if resumed => {}
            Err(error @ Error::Reused { .. }) => return Err(Ending::refused("pid_reused", chain(&error))),
            Err(error @ Error::Protected { .. }) => return Err(Ending::refused("protected", chain(&error))),
            Err(error @ Error::Denied { .. }) => return Err(Ending::refused("permission", chain(&error))),
            Err(error @ Error::Unreadable { .. }) => {
                return Err(Ending::failed("process_unreadable", chain(&error)));
            }
            Err(error @ Error::Survived { .. }) => {
                self.spare(spared(identity, named.as_ref(), chain(&error)), identity);
            }
        }
        Ok(())
    }

    /// All that the selector names, and what comes back while they are ended.
    fn all(&mut self, selector: &Selector, before: &Found) -> Result<(), Ending> {
        let mut found = before.clone();
        for _ in 0..ROUNDS {
            let open: Vec<Process> = found
                .matches
                .drain(..)
                .map(|hit| hit.process)
                .filter(|process| !self.spared.contains_key(&process.identity))
                .collect();
            if open.is_empty() || Instant::now() >= self.until {
                break;
            }
            for abreast in open.chunks(ABREAST) {
                if self.cancel.is_asked() {
                    break;
                }
                self.abreast(abreast);
            }
            if self.cancel.is_asked() {
                break;
            }
            found =
                self.find(selector).map_err(|error| Ending::failed("processes_unreadable", chain(&error)))?;
        }
        if self.ended.is_empty()
            && !self.spared.is_empty()
            && self.spared.values().all(|s| s.reason.contains("protected"))
        {
            let first = self.spared.values().next().map(|spared| spared.reason.clone()).unwrap_or_default();
            return Err(Ending::refused("protected", format!("nothing was ended: {first}")));
        }
        Ok(())
    }

    fn abreast(&mut self, processes: &[Process]) {
        let work = &*self;
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = processes
                .iter()
                .map(|process| scope.spawn(move || work.end(process.identity, Some(process))))
                .collect();
            threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        for (process, result) in processes.iter().zip(results) {
            let identity = process.identity;
            match result {
                Ok(Ok(done)) => self.note(identity, done),
                // Ended by itself, or with a tree that was ended before it.
                Ok(Err(Error::NoSuchProcess { .. } | Error::Zombie { .. } | Error::Reused { .. })) => {}
                Ok(Err(error)) => self.spare(spared(identity, Some(process), chain(&error)), identity),
                Err(_) => self.spare(
                    spared(identity, Some(process), "the attempt failed unexpectedly".into()),
                    identity,
                ),
            }
        }
    }

    fn end(&self, identity: Identity, named: Option<&Process>) -> Result<Done, Error> {
        let grace = u64::from(self.params.grace_seconds);
        let grace = (grace > 0).then(|| Duration::from_secs(grace));
        let left = self.until.saturating_duration_since(Instant::now());
        if !self.params.descendants {
            let options = Options { grace: grace.map(|grace| grace.min(left)), wait: WAIT };
            let terminated = process::terminate(identity, options, &self.guard)?;
            return Ok(Done::Ended(vec![ended(identity, named, terminated.how)], vec![identity]));
        }
        end_tree(identity, grace, &self.guard, &self.commands, left)
    }

    fn note(&mut self, identity: Identity, done: Done) {
        let (left, ended, members) = match done {
            Done::Ended(ended, members) => (Vec::new(), ended, members),
            Done::Spared(left, ended, members) => (left, ended, members),
        };
        for one in left {
            self.spare(one, identity);
        }
        let room = NAMED.saturating_sub(self.ended.len());
        self.truncated |= ended.len() > room;
        self.ended.extend(ended.into_iter().take(room));
        self.members.extend(members);
    }

    fn spare(&mut self, one: Spared, of: Identity) {
        let key = Identity { pid: one.pid, ..of };
        if self.spared.len() < NAMED || self.spared.contains_key(&key) {
            self.spared.insert(key, one);
        } else {
            self.truncated = true;
        }
    }

    fn report(self, selector: &Selector, before: &Found) -> Ending {
        let (gone, unread) = probe(selector, before, self.cancel);
        let mut probes = vec![gone];
        if self.params.descendants && !self.members.is_empty() {
            probes.push(members_probe(&self.members));
        }
        let outcome = Outcome {
            ended: self.ended,
            spared: self.spared.into_values().collect(),
            truncated: self.truncated,
            unread,
            probes,
        };
        let outcome = fit(outcome);
        if self.cancel.is_asked() {
            return Ending::canceled("canceled; what was ended until then stays ended").with(&outcome);
        }
        Ending::done(&outcome)
    }
}

/// With a grace, what descends from the process now is asked first, leaves before their parents, so that a
/// parent is still there to hold the tree together; then the whole tree is ended at once.
fn end_tree(
    root: Identity,
    grace: Option<Duration>,
    guard: &Guard,
    commands: &Commands,
    left: Duration,
) -> Result<Done, Error> {
    let mut known: BTreeMap<Identity, Process> = BTreeMap::new();
    let mut look = || -> Result<Vec<Identity>, Error> {
        let mut tree = process::tree(root)?;
        for process in &mut tree {
            commands.fill(process);
        }
        let order = tree.iter().map(|process| process.identity).collect();
        known.extend(tree.into_iter().map(|process| (process.identity, process)));
        Ok(order)
    };
    let mut asked = Vec::new();
    if let Some(grace) = grace {
        let members = look()?;
        asked = ask(&members, Options { grace: Some(grace.min(left)), wait: WAIT }, guard);
    }
    look()?;
    if let Ok(mut process) = process::get(root.pid)
        && process.identity == root
    {
        commands.fill(&mut process);
        known.insert(root, process);
    }
    let tree = match process::terminate_tree(root, Scope::Tree, TREE.min(left.max(WAIT)), guard) {
        Ok(tree) => tree,
        // It ended when its children did.
        Err(Error::NoSuchProcess { .. } | Error::Zombie { .. }) if !asked.is_empty() => {
            asked.push((root, How::AlreadyGone));
            process::TreeTerminated::default()
        }
        Err(error) => return Err(error),
    };
    let is_left = |identity: Identity| tree.left.iter().any(|member| member.identity == identity);
    let mut done: Vec<Ended> =
        asked.iter().map(|(identity, how)| ended(*identity, known.get(identity), *how)).collect();
    let caught = tree.members.iter().filter(|member| !is_left(member.identity));
    done.extend(caught.map(|member| {
        let mut one = ended(member.identity, known.get(&member.identity), How::Killed);
        if one.command_line.is_empty() {
            one.command_line = member.name.to_string_lossy().into_owned();
        }
        one
    }));
    let caught = tree.members.iter().map(|member| member.identity);
    let members = asked.iter().map(|(identity, _)| *identity).chain(caught).collect();
    let because = |why: &'static str| {
        let known = &known;
        move |member: &process::Member| spared(member.identity, known.get(&member.identity), why.to_owned())
    };
    let mut spared: Vec<Spared> = tree.spared.iter().map(because("it is protected")).collect();
    spared.extend(tree.left.iter().map(because("it did not end in time")));
    Ok(if spared.is_empty() { Done::Ended(done, members) } else { Done::Spared(spared, done, members) })
}

/// Asks many at once; those that have ended, and how.
fn ask(members: &[Identity], options: Options, guard: &Guard) -> Vec<(Identity, How)> {
    let mut ended = Vec::new();
    for abreast in members.chunks(NAMED) {
        std::thread::scope(|scope| {
            let threads: Vec<_> = abreast
                .iter()
                .map(|member| scope.spawn(move || process::terminate(*member, options, guard)))
                .collect();
            let results = threads.into_iter().filter_map(|thread| thread.join().ok()?.ok());
            ended.extend(results.map(|terminated| (terminated.identity, terminated.how)));
        });
    }
    ended
}
