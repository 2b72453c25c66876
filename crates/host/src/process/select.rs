//! Naming processes by what they run: the selectors of an order, and the probe that verifies its effect.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::digest::{Cache, Digests};
use super::{Error, Identity, Proc, Process, procfs, read};

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

/// Looks every process up anew.
pub fn find(selector: &Selector) -> Result<Found, Error> {
    let boot_id = super::boot_id()?;
    let mut cache = Cache::default();
    let mut found = Found::default();
    let pids: Vec<u32> = match selector {
        Selector::Identity(identity) => vec![identity.pid],
        _ => procfs::pids()?.collect::<Result<_, _>>()?,
    };
    for pid in pids {
        let Some(proc) = Proc::open(pid)? else { continue };
        let Some(row) = proc.row()? else { continue };
        if row.is_dead() || row.kernel {
            continue;
        }
        let digests = match selector {
            Selector::Sha1(_) | Selector::Sha256(_) => cache.of(&proc),
            Selector::Identity(_) | Selector::Path(_) => None,
        };
        let hit = match selector {
            Selector::Identity(identity) => Some(*identity == row.identity()),
            Selector::Sha1(wanted) => digests.map(|digests| digests.sha1 == *wanted),
            Selector::Sha256(wanted) => digests.map(|digests| digests.sha256 == *wanted),
            Selector::Path(path) => {
                proc.exe().map(|exe| exe.path.as_os_str().as_bytes() == path.as_os_str().as_bytes())
            }
        };
        match hit {
            // Asked for its executable and gone meanwhile is not the same as unreadable.
            None if proc.row()?.is_some_and(|row| !row.is_dead()) => found.unreadable += 1,
            Some(true) => {
                if let Some(process) =
                    read(pid, boot_id)?.filter(|process| process.identity == row.identity())
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
pub fn still_running(selector: &Selector) -> Result<Found, Error> {
    find(selector)
}
