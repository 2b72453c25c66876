//! Keeping something from going on: the process is ended at once, and content that no package brought does not run again.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::time::Duration;

use quell_host::process::{Error, Guard, How, Options, terminate};
use quell_wire::activity::{ProcessKey, Source, Verdict};
use quell_wire::digest::hex;

use super::item::Program;
use super::raw::identity;
use crate::action::supervisors;
use crate::guard::ExecGuard;
use crate::runner::chain;
use crate::state::StateDir;

/// For the end of a process after it was killed.
const WAIT: Duration = Duration::from_millis(150);
/// Under which rules of the execution guard stand that come from here.
pub const ORIGIN: &str = "protection";
/// Where what the system consists of lies: nothing there is kept from running for how it was used.
const SYSTEM: [&[u8]; 6] = [b"/usr/", b"/bin/", b"/sbin/", b"/lib", b"/opt/", b"/snap/"];

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub verdict: Verdict,
    /// For a person.
    pub note: String,
}

/// What is to be kept from going on.
#[derive(Debug)]
pub struct Deal<'a> {
    pub key: ProcessKey,
    pub rule: &'a str,
    pub source: Source,
    pub is_own: bool,
    pub is_ended: bool,
    /// The process has just begun the program; else it did something.
    pub is_start: bool,
    pub program: &'a Arc<Program>,
    /// A package brought the same content: to keep it from running would keep the package's program from it.
    pub is_copy: bool,
    /// The file that is meant, where it is another, and its hash.
    pub file: (&'a [u8], Option<[u8; 32]>),
}

/// What it is done by.
#[derive(Clone, Debug)]
pub struct Hand {
    guard: Option<ExecGuard>,
    state: Option<StateDir>,
}

impl Hand {
    pub fn new(guard: ExecGuard, state: StateDir) -> Self {
        Self { guard: Some(guard), state: Some(state) }
    }

    /// One that does nothing, for tests.
    #[cfg(test)]
    pub fn idle() -> Self {
        Self { guard: None, state: None }
    }

    /// Whether hits can be prevented here, else why not.
    pub fn is_able(&self) -> Result<(), String> {
        match &self.guard {
            Some(guard) => guard.is_able().map_err(|error| chain(&error)),
            None => Err("there is no execution guard".to_owned()),
        }
    }

    /// Keeps it from going on.
    pub fn prevent(&self, deal: &Deal<'_>) -> Done {
        // Content on the disk that does not run yet: whoever wrote it may be anybody's tool.
        if deal.source == Source::Yara && !deal.is_start {
            if deal.is_copy {
                return not("a package brought the same content, which runs on.".to_owned());
            }
            return not(format!("its content cannot be kept from running: {}.", self.why_not()));
        }
        let mut done = self.end(deal);
        if let Some((path, digest)) = content(deal) {
            let is_tried = self.block(deal.rule, (path, digest), |_| ());
            if is_tried {
                done.note.push_str(" The guard is told to keep its content from running.");
            }
        }
        done
    }

    /// Has content kept from running, on a thread of its own: files that have it may have to be read. Says later whether it
    /// is; whether that is tried at all.
    pub fn block(
        &self,
        rule: &str,
        (path, digest): (&[u8], [u8; 32]),
        then: impl FnOnce(bool) + Send + 'static,
    ) -> bool {
        let Some(guard) = self.guard.clone().filter(|guard| guard.is_able().is_ok()) else { return false };
        let (place, hash, rule) = (OsString::from_vec(path.to_vec()), hex(&digest), rule.to_owned());
        let work = move || {
            let blocked = guard.prevent(ORIGIN, &hash, vec![place]);
            if let Err(error) = &blocked {
                tracing::warn!(error = chain(error), rule, "content is not kept from running");
            }
            then(blocked.is_ok());
        };
        std::thread::Builder::new().name("flight-guard".into()).stack_size(256 << 10).spawn(work).is_ok()
    }

    fn why_not(&self) -> String {
        self.is_able().err().unwrap_or_else(|| "its hash is not known".to_owned())
    }

    fn end(&self, deal: &Deal<'_>) -> Done {
        if deal.is_own {
            return not("it is the agent".to_owned());
        }
        if deal.is_ended {
            return not("it had ended already.".to_owned());
        }
        let Some(state) = &self.state else { return not("nothing is ended here".to_owned()) };
        let guard = Guard::new().map(|mut guard| {
            for supervisor in supervisors(state) {
                guard.protect(supervisor);
            }
            guard
        });
        let ended = guard.and_then(|guard| {
            let options = Options { grace: None, wait: WAIT };
            terminate(identity(deal.key), options, &guard)
        });
        match ended.map(|ended| ended.how) {
            Ok(How::Killed | How::Asked) => {
                Done { verdict: Verdict::Prevented, note: "The process was ended.".to_owned() }
            }
            Ok(How::AlreadyGone)
            | Err(Error::NoSuchProcess { .. } | Error::Zombie { .. } | Error::Reused { .. }) => {
                not("it had ended already.".to_owned())
            }
            Err(Error::Survived { .. }) => not("it was killed, and has not ended yet.".to_owned()),
            Err(error) => not(format!("{}.", chain(&error))),
        }
    }
}

/// The content that is to run no more: known, and nobody's package.
fn content<'a>(deal: &Deal<'a>) -> Option<(&'a [u8], [u8; 32])> {
    let (path, digest) = match deal.file {
        (path, Some(digest)) if !path.is_empty() => (path, digest),
        _ => (deal.program.object(), deal.program.digest()?),
    };
    let is_system = SYSTEM.iter().any(|system| path.starts_with(system));
    let is_packaged = path == deal.program.image.path
        && deal.program.late.get().is_some_and(|facts| !facts.package.is_empty());
    // How a program of the system was used says nothing of the program; what is in it does.
    let is_spared = deal.is_copy || is_packaged || is_system && deal.source != Source::Yara;
    (!is_spared).then_some((path, digest))
}

fn not(why: String) -> Done {
    Done { verdict: Verdict::NotPrevented, note: format!("Not prevented: {why}") }
}
