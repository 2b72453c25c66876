//! `file.allow_run` on this endpoint: the rule goes, and the kernel is asked again.

use std::path::PathBuf;

use quell_catalog::evidence::Probe;
use quell_catalog::file::allow_run::{Outcome, Params};
use quell_host::guard::Checked;

use super::file_prevent_run::{FILES, hash, hold, named, on_disk, refused, word};
use super::{Endpoint, thread};
use crate::guard::{ExecGuard, ask};
use crate::runner::{Cancel, Ending, Job};

pub(super) async fn carry(endpoint: &Endpoint, job: &Job) -> Ending {
    let params: Params = match job.params() {
        Ok(params) => params,
        Err(ending) => return ending,
    };
    let (guard, cancel) = (endpoint.guard.clone(), job.cancel.clone());
    let work = move |_: &_| allow(&guard, &params, &cancel).unwrap_or_else(|ending| ending);
    thread::run(work, |_| ()).await.unwrap_or_else(|ending| ending)
}

fn allow(guard: &ExecGuard, params: &Params, cancel: &Cancel) -> Result<Ending, Ending> {
    let hash = hash(params)?;
    let mut files: Vec<PathBuf> = named(params, &hash, cancel)?.into_iter().collect();
    let changed = guard.allow(&hash).map_err(|error| refused(&error))?;
    for path in changed.before.iter().flat_map(|rule| &rule.paths) {
        if !files.iter().any(|file| file == path) {
            files.push(path.into());
        }
    }
    files.truncate(FILES);
    let held = hold(&files, &hash);
    let still_listed = guard.is_listed(&hash);
    let mut probes = vec![on_disk(guard, &hash, false)];
    for (path, file) in &held {
        let answer = ask(file);
        let denied = matches!(answer, Ok((Checked::Denied, _) | (_, Checked::Denied)));
        let after = match answer {
            Ok((exec, open)) => format!("{}; {} to open", word(exec), word(open)),
            Err(error) => format!("it cannot be asked about: {error}"),
        };
        probes.push(Probe {
            subject: path.to_string_lossy().into_owned(),
            method: "execveat with AT_EXECVE_CHECK".into(),
            before: None,
            after,
            held: still_listed || !denied,
            proves: true,
        });
    }
    Ok(Ending::done(&Outcome {
        hash,
        was_blocked: changed.before.is_some(),
        still_listed,
        files: held.iter().map(|(path, _)| path.to_string_lossy().into_owned()).collect(),
        probes,
    }))
}
