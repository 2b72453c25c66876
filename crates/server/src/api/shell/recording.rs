//! `GET /shells/{id}/recording`, and the lines of a recording for those who look through it.

use std::io;
use std::path::PathBuf;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, header};
use quell_store::{Error, artifact, audit};
use serde_json::json;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::shell::cast::Writer;
use crate::shell::journal::Reader;
use crate::state::App;

/// Of a shell that lives, the recording is made as far as this. Bytes.
const SO_FAR: usize = 64 << 20;
/// Made of it at a time: it is never in memory as a whole. Bytes.
const STEP: usize = 256 << 10;

pub(super) fn route() -> Route {
    permit(Permission::ArtifactDownload, routes!(show_recording))
}

/// The recording of a remote shell
///
/// Asciicast version 2; of a shell that is still open, what there is so far (at most 64 MiB). What was typed and not echoed
/// stands as `***`. Each look is recorded.
#[utoipa::path(get, path = "/shells/{id}/recording", tag = "shells", params(("id" = Uuid, Path)),
    responses((status = 200, content_type = "application/x-asciicast", body = String)))]
pub(super) async fn show_recording(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Problem> {
    let row = super::row(&app, &caller, id).await?;
    super::may_see(&app, &caller, row.endpoint_id).await?;
    let pieces = pieces(&app, caller.tenant, id).await?;
    let detail = json!({ "task": row.task_id });
    let record = caller.record(app.now(), "shell.replay", "shell", &id.to_string(), &detail);
    app.store.write::<_, _, Error>(move |tx| audit::append(tx, &record)).await?;
    let mut response = Response::new(Body::from_stream(pieces));
    let kind = HeaderValue::from_static("application/x-asciicast");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

type Pieces = BoxStream<'static, Result<Bytes, io::Error>>;

/// The bytes of a recording, wherever it is now.
pub(super) async fn pieces(app: &App, tenant: Uuid, id: Uuid) -> Result<Pieces, Problem> {
    let wanted = crate::shell::Shells::recording_of(id);
    let row = app.store.read(move |tx| artifact::get(tx, tenant, wanted)).await?;
    match row {
        Some(row) if row.state == "stored" => {
            let key = row.object_key.unwrap_or_default();
            let (_, found) =
                app.artifacts.read(&key, None).await.map_err(|error| Problem::internal(&error))?;
            Ok(found.map(|piece| piece.map_err(io::Error::other)).boxed())
        }
        Some(row) if row.state != "uploading" => {
            Err(Problem::new(Code::ArtifactGone, "the recording is no longer kept"))
        }
        _ => {
            let live = app.shells.get(tenant, id).ok_or_else(|| Problem::not_found("recording"))?;
            so_far(live.path.clone()).await.map_err(|error| Problem::internal(&error))
        }
    }
}

/// What a journal holds now, as a recording.
async fn so_far(path: PathBuf) -> io::Result<Pieces> {
    let opened = tokio::task::spawn_blocking(move || Reader::open(&path)).await;
    let making = Making { reader: opened.map_err(io::Error::other)??, writer: Writer::default(), made: 0 };
    let pieces = stream::try_unfold(Some(making), |making| async move {
        let Some(making) = making else { return Ok(None) };
        // A thread works while it reads alone, not while somebody's connection is slow.
        tokio::task::spawn_blocking(move || making.step()).await.map_err(io::Error::other)?.map(Some)
    });
    Ok(pieces.boxed())
}

struct Making {
    reader: Reader,
    writer: Writer,
    made: usize,
}

impl Making {
    /// The next piece, and what goes on from there.
    fn step(mut self) -> io::Result<(Bytes, Option<Self>)> {
        let mut text = String::new();
        while text.len() < STEP && self.made + text.len() <= SO_FAR {
            let Some(record) = self.reader.next_record()? else { return Ok((Bytes::from(text), None)) };
            text.push_str(&self.writer.line(&record).unwrap_or_default());
        }
        self.made += text.len();
        let is_over = self.made > SO_FAR;
        Ok((Bytes::from(text), (!is_over).then_some(self)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures_util::TryStreamExt as _;

    use super::*;
    use crate::shell::journal::{Journal, Kind};

    #[tokio::test]
    async fn what_lives_is_recorded_piece_by_piece_and_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let (mut journal, _) = Journal::open(&path).unwrap();
        let written = vec![b'x'; 50_000];
        for number in 0..1400 {
            journal.add(Kind::Output, number, &written).unwrap();
        }
        let pieces: Vec<Bytes> = so_far(path).await.unwrap().try_collect().await.unwrap();
        let whole: usize = pieces.iter().map(Bytes::len).sum();
        assert!(pieces.iter().all(|piece| piece.len() <= STEP + 60_000), "one piece is all of it");
        assert!((SO_FAR..SO_FAR + STEP).contains(&whole), "{whole}");
    }
}
