//! A file into the vault.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, StatxFlags};

use super::facts;
use super::item::{Manifest, Vault};
use super::pin::{Hashes, Pinned, Place, Protect, Request};
use super::stage::{Note, Stage};
use super::{Error, Event, Runs, Step, Watch, tell};
use crate::file;

/// A file that changes while it is read is read anew this often.
const ROUNDS: u32 = 3;

/// What was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Where it was.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-1 of the content in the vault.
    pub sha1: [u8; 20],
    /// SHA-256 of the content in the vault.
    pub sha256: [u8; 32],
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change, seconds and nanoseconds.
    pub modified: (i64, u32),
    /// Names of its extended attributes, lossy.
    pub attributes: Vec<String>,
    /// Attributes immutable or append-only were taken off it.
    pub lifted: bool,
    /// Names that the same file still has elsewhere.
    pub links_left: u64,
    /// Those in the same directory, lossy.
    pub other_names: Vec<String>,
    /// Processes that run it still.
    pub runs: Runs,
    /// Nothing is left under the path.
    pub is_gone: bool,
}

/// Moves the file into the vault under `id`. A repeat with the same id finishes what an earlier run began.
///
/// Refused before anything is changed: whatever is no regular file, a path through a symbolic link, what `protect`
/// names, mount points, read-only file systems, immutable files unless `lift` is asked, another hash than asked for.
pub fn take(
    vault: &Vault,
    id: &str,
    request: &Request,
    protect: &Protect,
    watch: &mut Watch<'_>,
) -> Result<Taken, Error> {
    if let Some(manifest) = vault.manifest(id)?
        && let Some(taken) = resumed(vault, id, &manifest, request, watch)?
    {
        return Ok(taken);
    }
    for _ in 0..ROUNDS {
        let pinned = Pinned::open(request, protect)?;
        let done = copy(vault, id, &pinned, request, watch).and_then(|copied| match copied {
            Some(manifest) => remove(&pinned, id, &manifest, request, watch),
            None => Ok(None),
        });
        match done {
            Ok(Some(taken)) => return Ok(taken),
            // It is still in its place, in another state.
            Ok(None) => {}
            Err(error) => {
                // The file is in its place (or, stranded, another one is elsewhere): the copy is of no use. Where it
                // lies in the private directory and cannot be put back, the copy is all that a person can get at.
                if !is_staged(&pinned, id) {
                    let _ = vault.remove(id);
                }
                return Err(error);
            }
        }
    }
    let _ = vault.remove(id);
    Err(Error::Changing)
}

fn is_staged(pinned: &Pinned, id: &str) -> bool {
    let stage = Stage::find(&pinned.place, id).ok().flatten();
    stage.is_some_and(|stage| stage.holds(&Note::of(pinned), None).unwrap_or(true))
}

/// The vault's copy, complete and on disk; `None` when the file changed meanwhile.
fn copy(
    vault: &Vault,
    id: &str,
    pinned: &Pinned,
    request: &Request,
    watch: &mut Watch<'_>,
) -> Result<Option<Manifest>, Error> {
    use std::io::Write;
    if !vault.has_room(pinned.stat.size) {
        return Err(Error::Vault(std::io::ErrorKind::StorageFull.into()));
    }
    let facts = pinned.facts()?;
    let mut content = vault.begin(id)?;
    let Some(hashes) = pinned.read(&mut |piece| content.write_all(piece).map_err(Error::Vault), watch)?
    else {
        return Ok(None);
    };
    hashes.check(request)?;
    Vault::sync_content(content)?;
    tell(watch, Event::Step(Step::Content), pinned.stat.size)?;
    let mut manifest = Manifest::new(id, &pinned.place.path, &pinned.stat, hashes, facts);
    manifest.birth = birth(&pinned.handle);
    vault.complete(&manifest)?;
    tell(watch, Event::Step(Step::Sealed), pinned.stat.size)?;
    Ok(Some(manifest))
}

/// The file out of its place, once it is seen to be the one that was copied; `None` when it changed meanwhile.
fn remove(
    pinned: &Pinned,
    id: &str,
    manifest: &Manifest,
    request: &Request,
    watch: &mut Watch<'_>,
) -> Result<Option<Taken>, Error> {
    let place = &pinned.place;
    let hashes = Hashes { sha1: manifest.sha1, sha256: manifest.sha256 };
    let runs = pinned.runs();
    let other_names = place.other_names(&pinned.stat);
    let Some(lifted) = unname(pinned, id, hashes, request.lift, watch)? else { return Ok(None) };
    let mut taken = told(manifest);
    taken.lifted = lifted;
    taken.links_left = pinned.links();
    taken.other_names = other_names;
    taken.runs = runs;
    // From the moment that the name is gone, nothing may be an error: the copy would be thrown away.
    taken.is_gone = place.look().is_ok_and(|found| found.is_none());
    Ok(Some(taken))
}

/// Takes the name of a pinned file away, by way of the private directory; whether its attributes were lifted. `None`
/// when it changed since it was read. What is found instead of it is put back.
pub(super) fn unname(
    pinned: &Pinned,
    id: &str,
    hashes: Hashes,
    lift: bool,
    watch: &mut Watch<'_>,
) -> Result<Option<bool>, Error> {
    let place = &pinned.place;
    let is = file::stat(&pinned.handle).map_err(file::Error::Open)?;
    if (is.size, is.mtime, is.ctime) != (pinned.stat.size, pinned.stat.mtime, pinned.stat.ctime) {
        return Ok(None);
    }
    let flags = facts::flags(&pinned.file);
    let locked = flags & facts::LOCKED != 0;
    let stage = Stage::make(place, id)?;
    let note = Note::of(pinned);
    let moved = stage.write_note(&note).and_then(|()| {
        if locked && lift {
            facts::lift(&pinned.file)?;
        }
        tell(watch, Event::Step(Step::Prepared), pinned.stat.size)?;
        stage.take()
    });
    if let Err(error) = moved {
        if locked && lift {
            let _ = facts::lock(&pinned.file, flags);
        }
        stage.remove();
        return Err(error);
    }
    let _ = watch(Event::Step(Step::Staged));
    match stage.holds(&note, Some(hashes)) {
        Ok(true) => {}
        other => {
            let ours = super::pin::identity(&pinned.handle)?;
            stage.put_back()?;
            place.sync()?;
            // The same file in another state is read anew; another file is somebody's trick, and said.
            let back = place.look()?.and_then(|handle| super::pin::identity(&handle).ok());
            return match other {
                Ok(_) if back == Some(ours) => Ok(None),
                Ok(_) => Err(Error::Swapped),
                Err(error) => Err(error),
            };
        }
    }
    let _ = watch(Event::Step(Step::Checked));
    if let Err(error) = stage.unlink() {
        stage.put_back()?;
        return Err(error);
    }
    let _ = watch(Event::Step(Step::Unlinked));
    stage.remove();
    // Should the power fail before this is on disk, the name is back: nothing is lost.
    let _ = place.sync();
    Ok(Some(locked && lift))
}

/// An item is complete: the source may be in its place still, in the private directory, or gone. `None`: in its place,
/// and to be taken anew.
fn resumed(
    vault: &Vault,
    id: &str,
    manifest: &Manifest,
    request: &Request,
    watch: &mut Watch<'_>,
) -> Result<Option<Taken>, Error> {
    if manifest.path() != request.path {
        return Err(Error::Damaged("it belongs to another file"));
    }
    // A directory that is gone took with it what was left.
    let place = match Place::of(&request.path) {
        Ok(place) => place,
        Err(Error::NoParent { .. }) => return Ok(Some(told(manifest))),
        Err(error) => return Err(error),
    };
    let note = Note {
        identity: (manifest.device, manifest.inode),
        size: manifest.size,
        mtime: manifest.facts.mtime,
    };
    let hashes = Hashes { sha1: manifest.sha1, sha256: manifest.sha256 };
    if let Some(stage) = Stage::find(&place, id)? {
        if stage.holds(&note, Some(hashes))? {
            let _ = watch(Event::Step(Step::Checked));
            stage.unlink()?;
        } else if stage.has_file() {
            stage.put_back()?;
            place.sync()?;
            return Ok(None);
        }
        stage.remove();
        place.sync()?;
    }
    if let Some(handle) = place.look()?
        && super::pin::identity(&handle)? == note.identity
        && is_same(manifest, &handle)
    {
        // The source never went. It may have changed since: it is taken anew, as if nothing had been.
        vault.remove(id)?;
        return Ok(None);
    }
    let mut taken = told(manifest);
    taken.is_gone = place.look()?.is_none();
    Ok(Some(taken))
}

/// File systems give inode numbers out again: the same number is the same file only with the same time of birth, or,
/// where none is kept, of status change.
fn is_same(manifest: &Manifest, handle: &OwnedFd) -> bool {
    match (manifest.birth, birth(handle)) {
        (Some(then), Some(now)) => then == now,
        _ => file::stat(handle).is_ok_and(|is| is.ctime == manifest.ctime),
    }
}

/// When the file was made, seconds and nanoseconds, where its file system keeps that.
fn birth(handle: &OwnedFd) -> Option<(i64, u32)> {
    let is = rustix::fs::statx(handle, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME).ok()?;
    let known = StatxFlags::from_bits_retain(is.stx_mask).contains(StatxFlags::BTIME);
    known.then_some((is.stx_btime.tv_sec, is.stx_btime.tv_nsec))
}

fn told(manifest: &Manifest) -> Taken {
    let facts = &manifest.facts;
    Taken {
        path: manifest.path(),
        size: manifest.size,
        sha1: manifest.sha1,
        sha256: manifest.sha256,
        mode: facts.mode,
        uid: facts.uid,
        gid: facts.gid,
        modified: facts.mtime,
        attributes: facts
            .attributes
            .iter()
            .map(|one| String::from_utf8_lossy(&one.name).into_owned())
            .collect(),
        lifted: facts.locked(),
        links_left: manifest.links.saturating_sub(1),
        other_names: Vec::new(),
        runs: Vec::new(),
        is_gone: true,
    }
}
