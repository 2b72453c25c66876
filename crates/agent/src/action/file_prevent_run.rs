//! `file.prevent_run` and `file.allow_run` on this endpoint: a rule for the guard, and the kernel's answer about it.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quell_catalog::PathText;
use quell_catalog::evidence::Probe;
use quell_catalog::file::prevent_run::{Outcome, Params, Running};
use quell_host::guard::{self as host, Checked};
use quell_host::process::{self, Found, Selector};
use quell_wire::digest::{hex, unhex};

use super::{Endpoint, thread};
use crate::guard::{Error, ExecGuard, ask};
use crate::runner::{Cancel, Ending, Job, chain};

/// Files that an outcome names, and that are asked about.
pub(super) const FILES: usize = 16;
/// Processes that an outcome names.
const PROCESSES: usize = 64;
/// Places without a check that an outcome names.
const UNWATCHED: usize = 8;
/// Spent on reading what runs. What is larger than all that was read until then counts as unread.
pub(super) const HUNT: Duration = Duration::from_secs(30);

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    let params: Params = match job.params() {
        Ok(params) => params,
        Err(ending) => return ending,
    };
    let (guard, order_id, cancel) = (endpoint.guard.clone(), job.order_id.clone(), job.cancel.clone());
    let work = move |_: &_| prevent(&guard, &order_id, &params, &cancel).unwrap_or_else(|ending| ending);
    thread::run(work, |_| ()).await.unwrap_or_else(|ending| ending)
}

fn prevent(guard: &ExecGuard, order_id: &str, params: &Params, cancel: &Cancel) -> Result<Ending, Ending> {
    let hash = hash(params)?;
    guard.is_able().map_err(|error| refused(&error))?;
    let needed = host::protected();
    if let Some(needed) = needed.iter().find(|file| has(&file.digests, &hash)) {
        return Err(Ending::refused(
            "protected",
            format!(
                "{} has this content, and the system needs it to run or to let people in",
                needed.path.display()
            ),
        ));
    }
    let named = named(params, &hash, cancel)?;
    let found = running(&hash, cancel)?;
    if cancel.is_asked() {
        return Err(Ending::canceled("canceled before anything was changed"));
    }
    let mut files: Vec<PathBuf> = named.iter().cloned().collect();
    for found in &found.matches {
        if let Some(exe) = found.process.exe.as_ref().filter(|exe| !exe.deleted)
            && !files.contains(&exe.path)
        {
            files.push(exe.path.clone());
        }
    }
    files.truncate(FILES);
    let held = hold(&files, &hash);
    let before: Vec<Option<Checked>> = held.iter().map(|(_, file)| host::check_exec(file).ok()).collect();
    let paths: Vec<OsString> = files.iter().map(|path| path.clone().into()).collect();
    let changed = guard.prevent(order_id, &hash, paths).map_err(|error| refused(&error))?;
    let mut probes = vec![on_disk(guard, &hash, true), canary(guard)];
    let mut unwatched = Vec::new();
    for ((path, file), before) in held.iter().zip(before) {
        let probe = denied(path, file, before);
        // Whoever runs a copy from a place that is not watched keeps nobody from blocking the others.
        if probe.held || named.as_ref() == Some(path) {
            probes.push(probe);
        } else if unwatched.len() < UNWATCHED / 2 {
            unwatched.push(format!("{} is not kept from running: {}", path.display(), probe.after));
        }
    }
    let mut was_blocked = changed.before.is_some();
    if !was_blocked && probes.iter().any(|probe| !probe.held) {
        was_blocked = take_back(guard, order_id, &hash, &mut probes);
    }
    unwatched.extend(changed.standing.unwatched);
    unwatched.truncate(UNWATCHED);
    Ok(Ending::done(&Outcome {
        hash,
        was_blocked,
        files: held.iter().map(|(path, _)| path.to_string_lossy().into_owned()).collect(),
        running: found.matches.iter().take(PROCESSES).map(run).collect(),
        unread: found.unreadable,
        watched: changed.standing.watched,
        unwatched,
        probes,
    }))
}

/// A rule of this order's own that did not prove itself does not stay: the order fails, and nobody would look for it.
/// Whether it is another order's by now, and stays.
fn take_back(guard: &ExecGuard, order_id: &str, hash: &str, probes: &mut Vec<Probe>) -> bool {
    let withdrawn = guard.withdraw(order_id, hash);
    let is_others = matches!(withdrawn, Ok(false));
    let said = match withdrawn {
        Ok(true) => "the rule was taken back".to_owned(),
        Ok(false) => "the rule stays, since another order has asked for it meanwhile".to_owned(),
        Err(error) => format!("the rule STAYS, since it cannot be taken back: {}", chain(&error)),
    };
    if let Some(failed) = probes.iter_mut().find(|probe| !probe.held) {
        failed.after = format!("{}; {said}", failed.after);
    }
    if !is_others {
        probes.push(on_disk(guard, hash, false));
    }
    is_others
}

pub(super) fn hash(params: &Params) -> Result<String, Ending> {
    params.hash().ok_or_else(|| Ending::refused("params_invalid", "no hash names the content"))
}

pub(super) fn refused(error: &Error) -> Ending {
    match error {
        Error::Off(_) => Ending::refused("guard_off", chain(error)),
        Error::Full => Ending::refused("too_many_rules", chain(error)),
        Error::Host(host::Error::Broken(_)) => Ending::failed("guard_broken", chain(error)),
        Error::Host(host::Error::Late) => Ending::failed("guard_late", chain(error)),
        Error::State(_) | Error::Damaged(_) => Ending::failed("state_failed", chain(error)),
    }
}

fn has(digests: &host::Digests, hash: &str) -> bool {
    hex(&digests.sha256) == hash || digests.sha1.is_some_and(|sha1| hex(&sha1) == hash)
}

/// The file of the request, if it has the content.
pub(super) fn named(params: &Params, hash: &str, cancel: &Cancel) -> Result<Option<PathBuf>, Ending> {
    let path = PathText::from_fields(params.path.as_deref(), params.path_hex.as_deref())
        .map_err(|error| Ending::refused("path_refused", error.to_string()))?;
    let Some(path) = path else { return Ok(None) };
    let path = PathBuf::from(OsString::from_vec(path.as_bytes().to_vec()));
    let hint = "leave `path` out to block the content wherever it appears";
    let file = host::open_local(&path).map_err(|error| {
        let (code, what) = match error.raw_os_error() {
            None => ("may_not_answer", "it cannot be read without waiting for a stranger"),
            Some(2 | 20) => ("not_found", "nothing lies there"),
            // ELOOP: the last part of the path is a symbolic link.
            Some(40) => ("is_symlink", "a symbolic link lies there: name the file that it points to"),
            _ => ("open_failed", "it cannot be opened"),
        };
        Ending::refused(code, format!("{what} ({error}); {hint}"))
    })?;
    if !file.metadata().is_ok_and(|facts| facts.is_file()) {
        return Err(Ending::refused("not_a_file", format!("no regular file lies there; {hint}")));
    }
    let stop = || cancel.is_asked();
    let digests =
        host::digests_until(&file, hash.len() == 40, host::MOST_HASHED, &stop).map_err(|error| {
            if stop() {
                return Ending::canceled("canceled before anything was changed");
            }
            Ending::failed("read_failed", format!("the file cannot be read: {error}"))
        })?;
    if !has(&digests, hash) {
        let found =
            if hash.len() == 40 { digests.sha1.map(|sha1| hex(&sha1)) } else { Some(hex(&digests.sha256)) };
        let found = found.unwrap_or_default();
        return Err(Ending::refused("other_content", format!("the file there has the hash {found}; {hint}")));
    }
    Ok(Some(path))
}

fn running(hash: &str, cancel: &Cancel) -> Result<Found, Ending> {
    let selector = match (unhex(hash), unhex(hash)) {
        (Some(sha256), _) => Selector::Sha256(sha256),
        (None, Some(sha1)) => Selector::Sha1(sha1),
        (None, None) => return Err(Ending::refused("params_invalid", "the hash is none")),
    };
    let until = Instant::now() + HUNT;
    let stop = || cancel.is_asked() || Instant::now() >= until;
    process::find(&selector, &stop).map_err(|error| Ending::failed("processes_unreadable", chain(&error)))
}

fn run(found: &process::Match) -> Running {
    let process = &found.process;
    Running {
        pid: process.identity.pid,
        start_time: process.identity.start_time,
        path: process.exe.as_ref().map(|exe| exe.path.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

/// Files that still have the content, open.
pub(super) fn hold(paths: &[PathBuf], hash: &str) -> Vec<(PathBuf, File)> {
    let open = |path: &PathBuf| {
        let file = host::open_local(path).ok()?;
        let digests = host::digests(&file, hash.len() == 40).ok()?;
        has(&digests, hash).then(|| (path.clone(), file))
    };
    paths.iter().filter_map(open).collect()
}

pub(super) fn on_disk(guard: &ExecGuard, hash: &str, wanted: bool) -> Probe {
    let (after, held) = match guard.on_disk() {
        Ok(kept) => {
            let stands = kept.rules.iter().any(|rule| rule.hash == hash);
            (if stands { "it stands" } else { "it does not stand" }.to_owned(), stands == wanted)
        }
        Err(error) => (chain(&error), false),
    };
    let (subject, method) = (format!("rule for {hash}"), "rules read back from disk".to_owned());
    Probe { subject, method, before: None, after, held, proves: !wanted }
}

/// A file of our own, blocked by its hash as everything else is: the guard is alive if it is denied.
fn canary(guard: &ExecGuard) -> Probe {
    let (after, held) = match guard.ask_canary() {
        Ok((Checked::Denied, _)) => ("denied".to_owned(), true),
        // On a file system without execution the opening tells.
        Ok((_, Checked::Denied)) => ("kept from being opened".to_owned(), true),
        Ok((exec, open)) => (format!("{}, {} to open", word(exec), word(open)), false),
        Err(error) => (format!("it cannot be asked about: {error}"), false),
    };
    Probe {
        subject: "a file of the agent's own that is blocked by its hash".into(),
        method: "execveat with AT_EXECVE_CHECK".into(),
        before: None,
        after,
        held,
        proves: true,
    }
}

fn denied(path: &Path, file: &File, before: Option<Checked>) -> Probe {
    let (after, held) = match ask(file) {
        Ok((Checked::Denied, open)) => (format!("denied; {} to open", word(open)), true),
        Ok((exec, Checked::Denied)) => (format!("denied to open; to execute {}", word(exec)), true),
        Ok((exec, open)) => (format!("{}; {} to open", word(exec), word(open)), false),
        Err(error) => (format!("it cannot be asked about: {error}"), false),
    };
    Probe {
        subject: path.to_string_lossy().into_owned(),
        method: "execveat with AT_EXECVE_CHECK".into(),
        before: before.map(word),
        after,
        held,
        proves: true,
    }
}

pub(super) fn word(checked: Checked) -> String {
    match checked {
        Checked::Allowed => "allowed".to_owned(),
        Checked::Denied => "denied".to_owned(),
        Checked::Otherwise(errno) => {
            format!("not possible ({})", std::io::Error::from_raw_os_error(errno))
        }
        Checked::Unknown => "not to be asked on this kernel".to_owned(),
    }
}
