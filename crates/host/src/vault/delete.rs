//! A file deleted for good, with the same care for which file it is.

use std::path::PathBuf;

use super::pin::{Pinned, Place, Protect, Request};
use super::stage::Stage;
use super::take::unname;
use super::{Error, Event, Runs, Step, Watch};

const ROUNDS: u32 = 3;

/// What was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// Where it was.
    pub path: PathBuf,
    /// What it was; `None` where an earlier run, which died, deleted it.
    pub content: Option<Content>,
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

/// What a file held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Bytes.
    pub size: u64,
    /// SHA-1.
    pub sha1: [u8; 20],
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// How far an earlier run with the same id came, which died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// There was none.
    Nothing,
    /// It began; what it left is finished.
    Begun,
    /// It came to [`Step::Checked`]: if nothing lies under the path, it deleted it.
    Checked,
}

/// Deletes the file. Refusals as in
/// [`super::take`]. The content is not overwritten: on today's disks and file systems that would promise what nobody
/// can keep.
pub fn delete(
    id: &str,
    request: &Request,
    protect: &Protect,
    before: Before,
    watch: &mut Watch<'_>,
) -> Result<Deleted, Error> {
    if before != Before::Nothing && finished(id, request, before, watch)? {
        return Ok(Deleted {
            path: request.path.clone(),
            content: None,
            lifted: false,
            links_left: 0,
            other_names: Vec::new(),
            runs: Vec::new(),
            is_gone: true,
        });
    }
    for _ in 0..ROUNDS {
        let pinned = Pinned::open(request, protect)?;
        let Some(hashes) = pinned.read(&mut |_| Ok(()), watch)? else { continue };
        hashes.check(request)?;
        let (runs, other_names) = (pinned.runs(), pinned.place.other_names(&pinned.stat));
        let Some(lifted) = unname(&pinned, id, hashes, request.lift, watch)? else { continue };
        let content = Content { size: pinned.stat.size, sha1: hashes.sha1, sha256: hashes.sha256 };
        return Ok(Deleted {
            path: pinned.place.path.clone(),
            content: Some(content),
            lifted,
            links_left: pinned.links(),
            other_names,
            runs,
            is_gone: pinned.place.look().is_ok_and(|found| found.is_none()),
        });
    }
    Err(Error::Changing)
}

/// Finishes what an earlier run began; whether the file is gone by it, and not by anybody else.
fn finished(id: &str, request: &Request, before: Before, watch: &mut Watch<'_>) -> Result<bool, Error> {
    let mut is_ours = before == Before::Checked;
    let place = match Place::of(&request.path) {
        Ok(place) => place,
        Err(Error::NoParent { .. }) => return Ok(is_ours),
        Err(error) => return Err(error),
    };
    if let Some(stage) = Stage::find(&place, id)? {
        let note = stage.note();
        if !stage.has_file() {
            stage.remove();
        } else if let Some(note) = note
            && stage.holds(&note, None)?
        {
            let _ = watch(Event::Step(Step::Checked));
            stage.unlink()?;
            stage.remove();
            place.sync()?;
            is_ours = true;
        } else {
            stage.put_back()?;
        }
    }
    Ok(is_ours && place.look()?.is_none())
}
