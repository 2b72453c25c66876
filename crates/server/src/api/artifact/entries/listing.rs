//! What archives hold, kept for a moment: pages of one archive follow each other, and its directory and manifest may have
//! many megabytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use quell_evidence::archive::Entry;
use quell_evidence::{FileRow, MANIFEST, MOST_MANIFEST, Manifest};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::ArtifactEntry;
use super::archive::{Found, directory, open, unreadable};
use crate::api::time;
use crate::problem::Problem;
use crate::state::App;

/// Archives whose list is kept.
const KEPT: usize = 4;
/// Characters of a text of the manifest that are shown.
const TEXT: usize = 4096;

/// What one archive holds.
pub(in crate::api::artifact) struct Contents {
    /// What the archive's directory says.
    pub entries: Vec<Entry>,
    /// The same as it is shown, with what the manifest says, and files that are not in it behind.
    pub items: Vec<ArtifactEntry>,
}

/// An archive by id and digest: one that is sent anew is another.
type Key = (Uuid, [u8; 32]);

/// The lists of a few archives.
pub(crate) struct Listings {
    kept: Mutex<Vec<(Key, Arc<Contents>)>>,
    /// One is made at a time: the memory that a hostile one takes is taken once.
    turn: Semaphore,
}

impl Default for Listings {
    fn default() -> Self {
        Self { kept: Mutex::default(), turn: Semaphore::new(1) }
    }
}

impl Listings {
    fn known(&self, key: Key) -> Option<Arc<Contents>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| *known == key).map(|(_, contents)| contents.clone())
    }

    /// What an archive holds.
    pub(in crate::api::artifact) async fn of(
        &self,
        app: &App,
        found: &Found,
    ) -> Result<Arc<Contents>, Problem> {
        let key = (found.row.id, found.row.sha256);
        if let Some(known) = self.known(key) {
            return Ok(known);
        }
        let _turn = self.turn.acquire().await.map_err(|error| Problem::internal(&error))?;
        if let Some(known) = self.known(key) {
            return Ok(known);
        }
        let entries = directory(app, found).await?;
        let manifest = manifest(app, found, &entries).await?;
        let made = tokio::task::spawn_blocking(move || contents(entries, manifest.as_deref())).await;
        let made = Arc::new(made.map_err(|error| Problem::internal(&error))?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((key, made.clone()));
        Ok(made)
    }
}

/// The manifest's bytes; `None` for an archive without one.
async fn manifest(app: &App, found: &Found, entries: &[Entry]) -> Result<Option<Vec<u8>>, Problem> {
    // The last entry: an earlier one of that name is somebody's file.
    let Some(entry) = entries.last().filter(|entry| entry.name == MANIFEST) else { return Ok(None) };
    if entry.size > MOST_MANIFEST {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let mut pieces = Box::pin(open(app, found, entry).await?);
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| unreadable(&error))?);
    }
    Ok(Some(bytes))
}

fn contents(entries: Vec<Entry>, manifest: Option<&[u8]>) -> Contents {
    let manifest = manifest.and_then(|bytes| Manifest::read(bytes).ok()).unwrap_or_default();
    let mut rows: HashMap<String, FileRow> = HashMap::new();
    let mut absent = Vec::new();
    for row in manifest.files {
        match row.entry.clone() {
            Some(entry) => drop(rows.insert(entry, row)),
            None => absent.push(row),
        }
    }
    let commands: HashMap<String, _> =
        manifest.commands.into_iter().filter_map(|row| Some((row.entry.clone()?, row))).collect();
    let mut items: Vec<ArtifactEntry> = Vec::with_capacity(entries.len() + absent.len());
    for (index, entry) in entries.iter().enumerate() {
        let mut item = rows.remove(&entry.name).map(shown).unwrap_or_default();
        if let Some(command) = commands.get(&entry.name) {
            let words = std::iter::once(&command.program).chain(&command.arguments);
            item.path = Some(cut(&words.map(String::as_str).collect::<Vec<_>>().join(" ")));
            item.sha256.clone_from(&command.sha256);
            item.asked_by = Some(cut(&command.asked_by));
            item.reason.clone_from(&command.reason);
            item.truncated = command.truncated;
        }
        item.index = u32::try_from(index).ok();
        item.name.clone_from(&entry.name);
        item.size = entry.size;
        item.modified_at = Some(time::text(entry.modified.saturating_mul(1_000_000)));
        item.readable = entry.readable;
        items.push(item);
    }
    items.extend(absent.into_iter().map(shown));
    Contents { entries, items }
}

fn shown(row: FileRow) -> ArtifactEntry {
    ArtifactEntry {
        path: Some(cut(&row.path)),
        size: row.size,
        modified_at: (row.times.modified != 0).then(|| time::text(row.times.modified / 1000)),
        sha256: row.sha256.map(|text| cut(&text)),
        asked_by: Some(cut(&row.asked_by)),
        mode: Some(cut(&row.mode)).filter(|mode| !mode.is_empty()),
        uid: Some(row.uid),
        reason: row.reason.map(|text| cut(&text)),
        truncated: row.truncated,
        changed: row.changed,
        ..ArtifactEntry::default()
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT).collect()
}
