//! A file out of the vault, back to where it was and as it was.

use std::fs::File;
use std::path::PathBuf;

use super::item::{Manifest, Vault};
use super::pin::{Hashes, Pinned, Place, identity};
use super::stage::Stage;
use super::{Error, Event, Step, Watch, tell};

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Where it is again.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// SHA-1, read back from its place.
    pub sha1: [u8; 20],
    /// SHA-256, read back from its place.
    pub sha256: [u8; 32],
    /// Something lay in its place, and is gone now.
    pub replaced: bool,
    /// In what it differs from how it was; the vault's copy is still needed where it does.
    pub differs: Vec<String>,
    /// Names that the file had then; it has one now.
    pub links_then: u64,
}

/// Puts the item's file back. Nothing is ever replaced unless `overwrite` is asked. `resumed`: an earlier run may have put
/// it back already. The item stays: [`Vault::discard`] removes it, once
/// what was done here is noted somewhere.
pub fn restore(
    vault: &Vault,
    id: &str,
    overwrite: bool,
    resumed: bool,
    watch: &mut Watch<'_>,
) -> Result<Restored, Error> {
    let manifest = vault.manifest(id)?.ok_or(Error::NoItem)?;
    let place = Place::of(&manifest.path())?;
    let mut replaced = false;
    if let Some(handle) = place.look()? {
        if resumed && let Some(file) = content(&manifest, &place, watch)? {
            return finish(&manifest, place, &file, false, Vec::new(), watch);
        }
        if !overwrite {
            return Err(Error::Exists { path: place.path });
        }
        // A directory, a pipe, a device: not to be replaced by a file of a few bytes.
        Pinned::opened(Place::of(&manifest.path())?, handle)?;
        replaced = true;
    }
    let stage = Stage::make(&place, id)?;
    let written = write(vault, id, &manifest, &stage, watch).and_then(|not_set| {
        stage.place(overwrite)?;
        Ok(not_set)
    });
    let (file, not_set) = match written {
        Ok(written) => written,
        Err(error) => {
            let _ = stage.unlink();
            stage.remove();
            return Err(error);
        }
    };
    stage.remove();
    drop(stage);
    place.sync()?;
    let _ = watch(Event::Step(Step::Placed));
    finish(&manifest, place, &file, replaced, not_set, watch)
}

/// The content and all facts, in the private directory, on disk.
fn write(
    vault: &Vault,
    id: &str,
    manifest: &Manifest,
    stage: &Stage<'_>,
    watch: &mut Watch<'_>,
) -> Result<(File, Vec<String>), Error> {
    let file = stage.fresh()?;
    vault.unseal(id, &file, watch)?;
    let not_set = manifest.facts.give(&file)?;
    file.sync_all().map_err(Error::io("write the file"))?;
    tell(watch, Event::Step(Step::Written), manifest.size)?;
    Ok((file, not_set))
}

fn reopened(place: Place) -> Result<Pinned, Error> {
    let handle = place.look()?.ok_or(crate::file::Error::NotFound)?;
    Pinned::opened(place, handle)
}

/// What lies there, where it has the content that is to be restored.
fn content(manifest: &Manifest, place: &Place, watch: &mut Watch<'_>) -> Result<Option<File>, Error> {
    let Ok(pinned) = reopened(Place::of(&place.path)?) else { return Ok(None) };
    if pinned.stat.size != manifest.size {
        return Ok(None);
    }
    let hashes = pinned.read(&mut |_| Ok(()), watch)?;
    Ok(hashes.is_some_and(|hashes| hashes.sha256 == manifest.sha256).then_some(pinned.file))
}

/// The flags, then the look at what is there, then the end of the item.
fn finish(
    manifest: &Manifest,
    place: Place,
    file: &File,
    replaced: bool,
    mut differs: Vec<String>,
    watch: &mut Watch<'_>,
) -> Result<Restored, Error> {
    // By descriptor: under the name may lie somebody else's file by now. Time stamps first: an immutable file cannot have
    // them set any more.
    manifest.facts.give_times(file)?;
    if let Err(error) = manifest.facts.give_flags(file) {
        differs.push(format!("the flags ({error})"));
    }
    let pinned = reopened(place)?;
    if identity(&pinned.handle)? != identity(file)? {
        return Err(Error::Changing);
    }
    let read = pinned.read(&mut |_| Ok(()), watch)?;
    let Some(Hashes { sha1, sha256 }) = read.filter(|read| read.sha256 == manifest.sha256) else {
        return Err(Error::Changing);
    };
    for difference in manifest.facts.differences(&pinned.facts()?) {
        if !differs.contains(&difference) {
            differs.push(difference);
        }
    }
    let _ = watch(Event::Step(Step::Verified));
    Ok(Restored {
        path: manifest.path(),
        size: manifest.size,
        sha1,
        sha256,
        replaced,
        differs,
        links_then: manifest.links,
    })
}
