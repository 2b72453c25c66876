//! Naming processes by what they run: the selectors of an order, and the probe that verifies its effect.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::digest::Programs;
use super::{Error, Identity, Proc, Process, procfs, read};
use crate::guard::Digests;

/// Which processes are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Exactly one.
    Identity(Identity),
    /// All that run an executable with this SHA-1, whatever its name, also when it has been deleted.
    Sha1([u8; 20]),
    /// The same by SHA-256.
    Sha256([u8; 32]),
    /// All whose executable was started from this path, byte for byte as the kernel has it (symlinks
    /// resolved by the kernel at the start, not here), also when the file has since been deleted or replaced.
    Path(PathBuf),
}

/// A process that a selector names.
#[derive(Debug, Clone)]
pub struct Match {
    /// The process.
    pub process: Process,
    /// Hashes of its executable, where the selector needed them.
    pub digests: Option<Digests>,
}

/// What a selector found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// In order of pid. Zombies and kernel threads are never in it.
    pub matches: Vec<Match>,
    /// Processes that could not be compared, since their executable was not readable. An empty result is
    /// proof only when this is 0.
    pub unreadable: u64,
}

/// Looks every process up anew. Executables are read until `stop`; it is asked often.
pub fn find(selector: &Selector, stop: &dyn Fn() -> bool) -> Result<Found, Error> {
    let boot_id = super::boot_id()?;
    let mut programs = Programs::new(stop);
    let mut rows = Vec::new();
    let pids: Vec<u32> = match selector {
        Selector::Identity(identity) => vec![identity.pid],
        _ => procfs::pids()?.collect::<Result<_, _>>()?,
    };
    let by_hash = matches!(selector, Selector::Sha1(_) | Selector::Sha256(_));
    for pid in pids {
        let Some(proc) = Proc::open(pid)? else { continue };
        let Some(row) = proc.row()? else { continue };
        if row.is_dead() || row.kernel {
            continue;
        }
        let key = if by_hash { programs.note(&proc, row.identity()) } else { None };
        rows.push((row.identity(), key));
    }
    if by_hash {
        programs.read(matches!(selector, Selector::Sha1(_)));
    }
    let mut found = Found::default();
    for (identity, key) in rows {
        let digests = key.and_then(|key| programs.digests(&key));
        let hit = match selector {
            Selector::Identity(wanted) => Some(*wanted == identity),
            Selector::Sha1(wanted) => digests.map(|digests| digests.sha1 == Some(*wanted)),
            Selector::Sha256(wanted) => digests.map(|digests| digests.sha256 == *wanted),
            Selector::Path(path) => Proc::open(identity.pid)?
                .and_then(|proc| proc.exe())
                .map(|exe| exe.path.as_os_str().as_bytes() == path.as_os_str().as_bytes()),
        };
        match hit {
            // Asked for its executable and gone meanwhile is not the same as unreadable.
            None if identity.is_running()? => found.unreadable += 1,
            Some(true) => {
                if let Some(process) =
                    read(identity.pid, boot_id)?.filter(|process| process.identity == identity)
                {
                    found.matches.push(Match { process, digests });
                }
            }
            Some(false) | None => {}
        }
    }
    found.matches.sort_unstable_by_key(|hit| hit.process.identity);
    Ok(found)
}

/// What of a selection still runs: the verification after a termination. It reads `/proc` afresh and shares
/// nothing with the way that ended them, neither handles nor cached hashes.
pub fn still_running(selector: &Selector, stop: &dyn Fn() -> bool) -> Result<Found, Error> {
    find(selector, stop)
}
