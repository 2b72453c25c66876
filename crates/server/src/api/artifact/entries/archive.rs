//! An archive in the store, read in parts. It was written by an endpoint that may be hostile: each number of it is looked at
//! before memory is taken for it, and content is inflated no faster than it is taken.

use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use quell_catalog::Secret;
use quell_evidence::archive::{Decoder, Entry, Error, LOCAL_HEADER, TAIL, content, entries, locate};
use quell_store::artifact;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::api::artifact::content::{failed, object_key};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

/// Content handed out at once. Bytes.
const PIECE: usize = 64 << 10;

/// An archive that the caller may look into.
pub(in crate::api::artifact) struct Found {
    pub row: artifact::Artifact,
    pub key: String,
    pub password: Zeroizing<String>,
}

/// The archive with this id, for a caller who may read its password and its bytes: who holds one of both alone reads nothing.
pub(in crate::api::artifact) async fn find(app: &App, caller: &Caller, id: Uuid) -> Result<Found, Problem> {
    let tenant = caller.tenant;
    let row = app.store.read(move |tx| artifact::get(tx, tenant, id)).await?;
    let row = row.ok_or_else(|| Problem::not_found("artifact"))?;
    if !caller.access().allows(Permission::ArtifactDownload) {
        let detail = "what is in an archive needs the permission artifact.download beside secret.read";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let (asks, of) = (caller.clone(), row.endpoint_id);
    app.store
        .read(move |tx| {
            asks.reaches_id(tx, Permission::SecretRead, of)?;
            asks.reaches_id(tx, Permission::ArtifactDownload, of)
        })
        .await?;
    let key = object_key(&row)?;
    if !matches!(row.kind.as_str(), "archive" | "file") {
        return Err(Problem::new(Code::ArchiveUnreadable, "the file is not an archive"));
    }
    let password = Zeroizing::new(app.secrets.derive(Secret::ArchivePassword, row.task_id, Uuid::nil()));
    Ok(Found { row, key, password })
}

/// The entries that the archive's directory names.
pub(super) async fn directory(app: &App, found: &Found) -> Result<Vec<Entry>, Problem> {
    let size = u64::try_from(found.row.size).unwrap_or(0);
    let tail = part(app, &found.key, size.saturating_sub(TAIL)..size).await?;
    let extent = locate(&tail, size).map_err(|error| unreadable(&error))?;
    let directory = part(app, &found.key, extent.offset..extent.offset + extent.size).await?;
    let read = tokio::task::spawn_blocking(move || entries(&directory, extent)).await;
    read.map_err(|error| Problem::internal(&error))?.map_err(|error| unreadable(&error))
}

/// The content of an entry, piece by piece, checked at its end.
pub(in crate::api::artifact) async fn open(
    app: &App,
    found: &Found,
    entry: &Entry,
) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + use<>, Problem> {
    let decoder = Decoder::new(entry, found.password.as_bytes()).map_err(|error| unreadable(&error))?;
    let header = part(app, &found.key, entry.offset..entry.offset + LOCAL_HEADER as u64).await?;
    let from = content(entry, &header).map_err(|error| unreadable(&error))?;
    let size = u64::try_from(found.row.size).unwrap_or(0);
    let to = from.checked_add(entry.packed).filter(|to| *to <= size);
    let to = to.ok_or_else(|| unreadable(&Error::Malformed("an entry lies beyond its end")))?;
    let (_, bytes) = app.artifacts.read(&found.key, Some(from..to)).await.map_err(failed)?;
    let source = Box::pin(bytes.map(|piece| piece.map_err(|error| Error::Io(std::io::Error::other(error)))));
    let state = Decoding { decoder: Some(decoder), source, buffer: vec![0; PIECE], pending: Bytes::new() };
    Ok(futures_util::stream::unfold(state, |mut state| async move {
        match state.next().await {
            Ok(Some(piece)) => Some((Ok(piece), state)),
            Ok(None) => None,
            Err(error) => {
                state.decoder = None;
                Some((Err(error), state))
            }
        }
    }))
}

struct Decoding<S> {
    /// `None` once it has ended.
    decoder: Option<Decoder>,
    source: S,
    buffer: Vec<u8>,
    pending: Bytes,
}

impl<S: Stream<Item = Result<Bytes, Error>> + Unpin> Decoding<S> {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let Some(decoder) = &mut self.decoder else { return Ok(None) };
            let given = decoder.take(&mut self.buffer)?;
            if given > 0 {
                // Others get their turn between two pieces: a bomb is only as fast as everybody else.
                tokio::task::yield_now().await;
                return Ok(Some(Bytes::copy_from_slice(&self.buffer[..given])));
            }
            if self.pending.is_empty() {
                let Some(piece) = self.source.next().await else {
                    if let Some(decoder) = self.decoder.take() {
                        decoder.finish()?;
                    }
                    return Ok(None);
                };
                self.pending = piece?;
            }
            let piece = self.pending.split_to(self.pending.len().min(PIECE));
            decoder.feed(&piece)?;
        }
    }
}

/// Bytes of the archive; the caller has bounded how many.
async fn part(app: &App, key: &str, range: Range<u64>) -> Result<Vec<u8>, Problem> {
    let cut = || unreadable(&Error::Malformed("it ends before its content"));
    let wanted = usize::try_from(range.end.checked_sub(range.start).ok_or_else(cut)?).map_err(|_| cut())?;
    if wanted == 0 {
        return Ok(Vec::new());
    }
    let (size, bytes) = app.artifacts.read(key, Some(range.clone())).await.map_err(failed)?;
    if range.end > size {
        return Err(cut());
    }
    let mut read = Vec::with_capacity(wanted);
    let mut bytes = Box::pin(bytes);
    while let Some(piece) = bytes.next().await {
        read.extend_from_slice(&piece.map_err(failed)?);
    }
    if read.len() == wanted { Ok(read) } else { Err(cut()) }
}

/// What keeps an archive from being read is told: it says something of the endpoint that sent it.
pub(in crate::api::artifact) fn unreadable(error: &Error) -> Problem {
    match error {
        Error::Io(error) => Problem::internal(error),
        error => Problem::new(Code::ArchiveUnreadable, error.to_string())
            .hint("Download it and look at it where nothing can be lost."),
    }
}
