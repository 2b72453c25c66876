//! The execution guard of this endpoint: which content must not run, kept over restarts, and the process that tells the
//! kernel.
//!
//! A rule is on disk before it is in force. While no rule and no block list needs it, no guard runs and nothing is marked.

mod kept;
mod news;
mod scope;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use kept::{Cause, Kept, KeptRule};
use quell_host::guard::{self as host, Checked, MOST_RULES, Rule, Rules, Sentry, Settings, Standing};
use quell_host::script::Launcher;
pub use scope::here as scope;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::outbox::Outbox;
use crate::random;
use crate::runner::chain;
use crate::state::{self, StateDir};

/// The subcommand of this binary that answers the kernel.
pub const SUBCOMMAND: &str = "guard";
/// Until rules are confirmed: known files may have to be read.
const APPLY: Duration = Duration::from_secs(45);
/// Contents that protection keeps from running by itself: whoever writes what a rule hits, again and again, must not take all
/// places from orders. For a new one the oldest goes.
const BY_PROTECTION: usize = 512;
/// Places that are kept of one content.
const PATHS: usize = 16;
/// A file of our own that is always blocked: whether it is denied says whether the guard is alive.
const CANARY: &str = "guard-canary";
/// Under which its rule stands.
const CANARY_RULE: &str = "canary";

/// Why a rule is not in force.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not to work here.
    #[error("no program can be kept from running here: {0}")]
    Off(String),
    /// The guard itself.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// The state directory.
    #[error(transparent)]
    State(#[from] state::Error),
    /// The rules on disk cannot be understood.
    #[error("{0} in the state directory cannot be read")]
    Damaged(&'static str),
    /// No more fit.
    #[error("{MOST_RULES} rules stand already; allow some of them")]
    Full,
}

/// What a change did.
#[derive(Clone, Debug)]
pub struct Changed {
    /// How the guard stands after it.
    pub standing: Standing,
    /// The rule that stood before, where there was one.
    pub before: Option<KeptRule>,
}

struct Inner {
    state: StateDir,
    clock: Clock,
    outbox: Outbox,
    sentry: Result<Sentry, String>,
    kept: Mutex<Kept>,
    /// Of each rule, the order that asked for it last. Locked after `kept`.
    asked: Mutex<BTreeMap<String, String>>,
    /// The block list's hashes: a file, and how often it was replaced.
    list: Mutex<Option<(PathBuf, u64)>>,
    list_version: Arc<AtomicU64>,
}

/// The execution guard. Cheap to clone. Calls that change something wait, and are for threads that may.
#[derive(Clone)]
pub struct ExecGuard(Arc<Inner>);

impl std::fmt::Debug for ExecGuard {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "ExecGuard({} rules)", self.kept().rules.len())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ExecGuard {
    /// Reads what is kept. Nothing runs yet.
    pub fn open(state: StateDir, outbox: Outbox, clock: Clock) -> Result<Self, Error> {
        let kept = kept::load(&state)?;
        let list_version = Arc::new(AtomicU64::new(0));
        let sentry = scope::here(&state).and_then(|scope| {
            let settings = Settings { scope, agent: std::process::id() };
            let tell = news::Tell::new(outbox.clone(), list_version.clone());
            Sentry::new(Launcher::own(SUBCOMMAND), settings, move |news| tell.tell(news))
                .map_err(|error| chain(&error))
        });
        let list = Mutex::default();
        let (kept, asked) = (Mutex::new(kept), Mutex::default());
        Ok(Self(Arc::new(Inner { state, clock, outbox, sentry, kept, asked, list, list_version })))
    }

    /// Puts the rules of an earlier run in force again. Comes back at once; the rules stand a moment later.
    pub fn start(&self) {
        if self.kept().rules.is_empty() {
            return;
        }
        let guard = self.clone();
        let started = std::thread::Builder::new().name("guard-start".into()).spawn(move || guard.resume());
        if let Err(error) = started {
            tracing::error!(%error, "the execution guard cannot be started");
        }
    }

    fn resume(&self) {
        let kept = lock(&self.0.kept);
        if let Err(error) = self.apply(&kept) {
            // Where it only failed now, the sentry goes on trying.
            let detail = json!({ "problem": chain(&error), "rules": kept.rules.len() });
            self.0.outbox.event("guard_broken", &detail);
        }
    }

    /// What is kept.
    pub fn kept(&self) -> Kept {
        lock(&self.0.kept).clone()
    }

    /// The rule of this hash.
    pub fn rule(&self, hash: &str) -> Option<KeptRule> {
        lock(&self.0.kept).rules.iter().find(|rule| rule.hash == hash).cloned()
    }

    /// The rules as they are on disk, read anew.
    pub fn on_disk(&self) -> Result<Kept, Error> {
        kept::load(&self.0.state)
    }

    /// For status.
    pub fn describe(&self) -> Value {
        let rules = lock(&self.0.kept).rules.len();
        match &self.0.sentry {
            Err(why) => json!({ "rules": rules, "live": false, "off": why }),
            Ok(sentry) => {
                let Standing { live, watched, unwatched, restarts, problem, counts, .. } = sentry.standing();
                json!({
                    "rules": rules, "live": live, "watched": watched, "unwatched": unwatched, "restarts": restarts,
                    "problem": problem, "counts": counts,
                })
            }
        }
    }

    /// Whether, and why not, programs can be kept from running here.
    pub fn is_able(&self) -> Result<(), Error> {
        self.0.sentry.as_ref().map(drop).map_err(|why| Error::Off(why.clone()))
    }

    /// Content with this hash must not run. `paths` are files that have it.
    pub fn prevent(&self, order_id: &str, hash: &str, paths: Vec<OsString>) -> Result<Changed, Error> {
        self.put(order_id, None, hash, paths)
    }

    /// The same by protection, which takes it back when its rule no longer prevents ([`Self::retain`]).
    pub fn protect(
        &self,
        origin: &str,
        cause: Cause,
        hash: &str,
        paths: Vec<OsString>,
    ) -> Result<Changed, Error> {
        self.put(origin, Some(cause), hash, paths)
    }

    fn put(
        &self,
        order_id: &str,
        cause: Option<Cause>,
        hash: &str,
        paths: Vec<OsString>,
    ) -> Result<Changed, Error> {
        self.is_able()?;
        let mut kept = lock(&self.0.kept);
        let old = kept.clone();
        let mut new = old.clone();
        let before = new.take(hash);
        if before.is_none() && cause.is_some() {
            new.make_room(BY_PROTECTION);
        }
        if before.is_none() && new.rules.len() + 1 >= MOST_RULES {
            return Err(Error::Full);
        }
        let is_order = cause.is_none();
        let mut rule = before.clone().unwrap_or_else(|| KeptRule {
            order_id: order_id.to_owned(),
            hash: hash.to_owned(),
            paths: Vec::new(),
            since_us: self.0.clock.now_us(),
            cause,
        });
        // What a person wants too does not go with protection's rule.
        if is_order && rule.cause.take().is_some() {
            order_id.clone_into(&mut rule.order_id);
        }
        for path in paths {
            if rule.paths.len() < PATHS && !rule.paths.contains(&path) {
                rule.paths.push(path);
            }
        }
        new.rules.push(rule);
        let standing = self.turn(&mut kept, old, new)?;
        lock(&self.0.asked).insert(hash.to_owned(), order_id.to_owned());
        // The same order once more, after a crash in the middle, changes nothing of its own either.
        let before = before.filter(|rule| rule.order_id != order_id);
        Ok(Changed { standing, before })
    }

    /// Takes back what protection keeps from running by a rule that no longer does; how many that were.
    pub fn retain(&self, still: impl Fn(&Cause, &KeptRule) -> bool) -> Result<usize, Error> {
        let mut kept = lock(&self.0.kept);
        let old = kept.clone();
        let mut new = old.clone();
        new.rules.retain(|rule| rule.cause.as_ref().is_none_or(|cause| still(cause, rule)));
        let gone = old.rules.len() - new.rules.len();
        if gone > 0 {
            self.turn(&mut kept, old, new)?;
            lock(&self.0.asked).retain(|hash, _| kept.rules.iter().any(|rule| rule.hash == *hash));
        }
        Ok(gone)
    }

    /// Takes the rule of this hash back.
    pub fn allow(&self, hash: &str) -> Result<Changed, Error> {
        self.drop_rule(&mut lock(&self.0.kept), hash)
    }

    /// Takes the rule of this hash back, unless another order has asked for it since: then it is that order's. Whether it
    /// is gone.
    pub fn withdraw(&self, order_id: &str, hash: &str) -> Result<bool, Error> {
        let mut kept = lock(&self.0.kept);
        let other = lock(&self.0.asked).get(hash).filter(|asked| *asked != order_id).cloned();
        let Some(other) = other else { return self.drop_rule(&mut kept, hash).map(|_| true) };
        let old = kept.clone();
        let mut new = old.clone();
        for rule in new.rules.iter_mut().filter(|rule| rule.hash == hash) {
            rule.order_id.clone_from(&other);
        }
        self.turn(&mut kept, old, new).map(|_| false)
    }

    fn drop_rule(&self, kept: &mut Kept, hash: &str) -> Result<Changed, Error> {
        let old = kept.clone();
        let before = old.rules.iter().find(|rule| rule.hash == hash).cloned();
        let mut new = old.clone();
        new.rules.retain(|rule| rule.hash != hash);
        let standing = if before.is_some() { self.turn(kept, old, new)? } else { self.standing() };
        lock(&self.0.asked).remove(hash);
        Ok(Changed { standing, before })
    }

    /// Whether the block list has hashes for the guard.
    pub fn has_list(&self) -> bool {
        lock(&self.0.list).is_some()
    }

    /// The block list's hashes, in a file of `quell_host::guard::write_list`, or none; and its version, for reports.
    pub fn list(&self, file: Option<PathBuf>, list_version: u64) -> Result<Standing, Error> {
        self.is_able()?;
        self.0.list_version.store(list_version, Ordering::Relaxed);
        let kept = lock(&self.0.kept);
        {
            let mut list = lock(&self.0.list);
            let version = list.as_ref().map_or(1, |(_, version)| version + 1);
            *list = file.map(|file| (file, version));
        }
        self.apply(&kept)
    }

    /// Whether the block list blocks this hash.
    pub fn is_listed(&self, hash: &str) -> bool {
        let list = lock(&self.0.list).clone();
        list.is_some_and(|(file, _)| host::is_listed(&file, hash))
    }

    /// How the guard stands.
    pub fn standing(&self) -> Standing {
        self.0.sentry.as_ref().map(Sentry::standing).unwrap_or_default()
    }

    /// On disk first, then in force; where that fails, as it was before.
    fn turn(&self, kept: &mut Kept, old: Kept, new: Kept) -> Result<Standing, Error> {
        kept::save(&self.0.state, &new)?;
        kept.clone_from(&new);
        let failed = match self.apply(&new) {
            Ok(standing) => return Ok(standing),
            Err(error) => error,
        };
        kept::save(&self.0.state, &old)?;
        *kept = old;
        // The trouble that is told is the first one.
        let _ = self.apply(kept);
        Err(failed)
    }

    fn apply(&self, kept: &Kept) -> Result<Standing, Error> {
        let sentry = self.0.sentry.as_ref().map_err(|why| Error::Off(why.clone()))?;
        let list = lock(&self.0.list).clone();
        let mut rules = Rules::default();
        if !kept.rules.is_empty() || list.is_some() {
            let named = kept.rules.iter().map(|rule| Rule {
                id: rule.order_id.clone(),
                hash: rule.hash.clone(),
                paths: rule.paths.clone(),
            });
            rules.rules = named.chain(self.canary()?).collect();
        }
        if let Some((file, version)) = list {
            (rules.list, rules.list_version) = (Some(file), version);
        }
        Ok(sentry.apply(rules, APPLY)?)
    }

    /// The canary's rule; its file is made where it is missing.
    fn canary(&self) -> Result<Option<Rule>, Error> {
        let path = self.0.state.join(CANARY);
        if self.0.state.read(CANARY)?.is_none() {
            let Ok(bytes) = random::bytes::<16>() else { return Ok(None) };
            let text = format!("#!/bin/false\n# {}\n", quell_wire::digest::hex(&bytes));
            self.0.state.write(CANARY, text.as_bytes())?;
            // Executable, so that nothing but the guard is in its way.
            let mode = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(&path, mode).map_err(|source| state::Error::Io {
                what: "change the mode of",
                path: path.clone(),
                source,
            })?;
        }
        let hashed = host::open(&path).and_then(|file| host::digests(&file, false));
        let Ok(digests) = hashed else { return Ok(None) };
        let hash = quell_wire::digest::hex(&digests.sha256);
        Ok(Some(Rule { id: CANARY_RULE.to_owned(), hash, paths: vec![path.into()] }))
    }

    /// What the kernel says of the canary: of its execution, and of its opening.
    pub fn ask_canary(&self) -> std::io::Result<(Checked, Checked)> {
        let file = host::open(&self.0.state.join(CANARY))?;
        ask(&file)
    }
}

/// What the kernel says to another process of ours about a file: of its execution, and of its opening.
pub fn ask(file: &File) -> std::io::Result<(Checked, Checked)> {
    Ok((host::check_exec(file)?, host::check_open(file)?))
}
