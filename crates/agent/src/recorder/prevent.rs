//! Keeping something from going on: the process is ended at once, and content that no package brought does not run again.

mod ends;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use quell_host::process::{Error, Guard, How, Terminated, kill};
use quell_wire::activity::{ProcessKey, Source, Verdict};
use quell_wire::digest::hex;

use self::ends::Ends;
use super::item::Program;
use super::judge::{Hit, Prevents};
use super::raw::{identity, is_whole};
use crate::action::supervisors;
use crate::guard::{Cause, ExecGuard};
use crate::runner::chain;
use crate::state::StateDir;

/// Under which rules of the execution guard stand that come from here.
pub const ORIGIN: &str = "protection";
/// What is said when the guard was told.
pub const GUARD_IS_TOLD: &str = " The guard is told to keep its content from running.";
/// Where what the system consists of lies: nothing there is kept from running for how it was used.
const SYSTEM: [&[u8]; 6] = [b"/usr/", b"/bin/", b"/sbin/", b"/lib", b"/opt/", b"/snap/"];

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub verdict: Verdict,
    /// For a person.
    pub note: String,
    /// Its content is to be kept from running as soon as it is known.
    pub blocks: bool,
}

impl Done {
    /// Without a word more.
    pub fn plain(verdict: Verdict) -> Self {
        Self { verdict, note: String::new(), blocks: false }
    }
}

/// What is to be kept from going on.
#[derive(Debug)]
pub struct Deal<'a> {
    pub key: ProcessKey,
    pub hit: &'a Hit,
    pub is_own: bool,
    pub is_ended: bool,
    /// The process has just begun the program; else it did something.
    pub is_start: bool,
    pub program: &'a Arc<Program>,
    /// A package brought the same content: to keep it from running would keep the package's program from it.
    pub is_copy: bool,
}

/// What it is done by.
#[derive(Clone, Debug)]
pub struct Hand {
    guard: Option<ExecGuard>,
    state: Option<StateDir>,
    ends: Arc<Ends>,
}

impl Hand {
    pub fn new(guard: ExecGuard, state: StateDir) -> Self {
        Self { guard: Some(guard), state: Some(state), ends: Arc::default() }
    }

    /// One that does nothing, for tests.
    #[cfg(test)]
    pub fn idle() -> Self {
        Self { guard: None, state: None, ends: Arc::default() }
    }

    /// One that ends processes and keeps no content from running, for tests.
    #[cfg(test)]
    pub fn ending(state: StateDir) -> Self {
        Self { state: Some(state), ..Self::idle() }
    }

    /// Whether hits can be prevented here, else why not.
    pub fn is_able(&self) -> Result<(), String> {
        match &self.guard {
            Some(guard) => guard.is_able().map_err(|error| chain(&error)),
            None => Err("there is no execution guard".to_owned()),
        }
    }

    /// Keeps it from going on: what was done, or nothing where that is told later, to `then`.
    pub fn prevent(&self, deal: &Deal<'_>, then: impl FnOnce(Done) + Send + 'static) -> Option<Done> {
        // Content on the disk that does not run yet: whoever wrote it may be anybody's tool.
        if deal.hit.source == Source::Yara && !deal.is_start {
            if deal.is_copy {
                return Some(not("a package brought the same content, which runs on.".to_owned()));
            }
            return Some(not(format!("its content cannot be kept from running: {}.", self.why_not())));
        }
        if deal.is_own {
            return Some(not("it is the agent".to_owned()));
        }
        let blocks = |done: Done| Done { blocks: true, ..done };
        if deal.is_ended {
            return Some(blocks(not("it had ended already.".to_owned())));
        }
        let Some(state) = &self.state else { return Some(blocks(not("nothing is ended here".to_owned()))) };
        let guard = Guard::new().map(|mut guard| {
            for supervisor in supervisors(state) {
                guard.protect(supervisor);
            }
            guard
        });
        match guard.and_then(|guard| kill(identity(deal.key), &guard)) {
            Ok(dying) => {
                self.ends.watch(Box::new(move |limit| blocks(ended(dying.wait(limit)))), Box::new(then))
            }
            Err(error) => Some(blocks(ended(Err(error)))),
        }
    }

    /// Has the content kept from running, where it is known and nobody's package; whether that is tried.
    pub fn keep_out(&self, deal: &Deal<'_>) -> bool {
        content(deal).is_some_and(|content| self.block(deal.hit, content, |_| ()))
    }

    /// Has content kept from running, on a thread of its own: files that have it may have to be read. Says later whether it
    /// is; whether that is tried at all.
    pub fn block(
        &self,
        hit: &Hit,
        (path, digest): (&[u8], [u8; 32]),
        then: impl FnOnce(bool) + Send + 'static,
    ) -> bool {
        let Some(guard) = self.guard.clone().filter(|guard| guard.is_able().is_ok()) else { return false };
        let (place, hash, rule) = (OsString::from_vec(path.to_vec()), hex(&digest), hit.rule.clone());
        let cause =
            Cause { source: hit.source.into(), severity: hit.severity.into(), rule: hit.rule.clone() };
        let work = move || {
            let blocked = guard.protect(ORIGIN, cause, &hash, vec![place]);
            if let Err(error) = &blocked {
                tracing::warn!(error = chain(error), rule, "content is not kept from running");
            }
            then(blocked.is_ok());
        };
        std::thread::Builder::new().name("flight-guard".into()).stack_size(256 << 10).spawn(work).is_ok()
    }

    /// Takes back what is kept from running by a rule that prevents no more. On a thread of its own: the guard may be slow.
    pub fn renew(&self, prevents: Prevents) {
        let Some(guard) = self.guard.clone() else { return };
        let work = move || match guard.retain(|cause, rule| prevents.still(cause, rule)) {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "protection lets content run again"),
            Err(error) => tracing::warn!(error = chain(&error), "content is kept from running still"),
        };
        let thread = std::thread::Builder::new().name("flight-guard".into()).stack_size(256 << 10);
        if let Err(error) = thread.spawn(work) {
            tracing::warn!(%error, "content is kept from running still");
        }
    }

    fn why_not(&self) -> String {
        self.is_able().err().unwrap_or_else(|| "its hash is not known".to_owned())
    }
}

fn ended(ended: Result<Terminated, Error>) -> Done {
    match ended.map(|ended| ended.how) {
        Ok(How::Killed | How::Asked) => {
            Done { note: "The process was ended.".to_owned(), ..Done::plain(Verdict::Prevented) }
        }
        Ok(How::AlreadyGone)
        | Err(Error::NoSuchProcess { .. } | Error::Zombie { .. } | Error::Reused { .. }) => {
            not("it had ended already.".to_owned())
        }
        Err(Error::Survived { .. }) => not("it was killed, and has not ended yet.".to_owned()),
        Err(error) => not(format!("{}.", chain(&error))),
    }
}

/// The content that is to run no more: known, and nobody's package.
fn content<'a>(deal: &Deal<'a>) -> Option<(&'a [u8], [u8; 32])> {
    let (path, digest) = match (deal.hit.path.as_slice(), deal.hit.sha256) {
        (path, Some(digest)) if !path.is_empty() => (path, digest),
        _ => (deal.program.object(), deal.program.digest()?),
    };
    let is_system = is_whole(path) && SYSTEM.iter().any(|system| path.starts_with(system));
    let is_packaged = path == deal.program.image.path
        && deal.program.late.get().is_some_and(|facts| !facts.package.is_empty());
    // How a program of the system was used says nothing of the program; what is in it does.
    let is_spared = deal.is_copy || is_packaged || is_system && deal.hit.source != Source::Yara;
    (!is_spared).then_some((path, digest))
}

fn not(why: String) -> Done {
    Done { note: format!("Not prevented: {why}"), ..Done::plain(Verdict::NotPrevented) }
}
