//! The row of an upload: made when its first piece comes, begun anew when the agent comes with other bytes.

use std::net::SocketAddr;

use http::StatusCode;
use quell_store::artifact::{self, Artifact};
use quell_store::{Error as StoreError, audit};
use serde_json::json;

use super::super::reply::Refused;
use super::super::{Shared, trail};
use super::{Announced, Upload, receive};

/// Least time between two beginnings of one file, microseconds.
const PAUSE: i64 = 1_000_000;

/// The row that this piece belongs to. A file with another digest takes the place of the one before: an agent that
/// died in the middle makes its archive again, and no two archives are equal.
pub async fn announce(
    shared: &Shared,
    upload: &Upload,
    announced: Announced,
    remote: SocketAddr,
) -> Result<Artifact, Refused> {
    let known = upload.known.as_ref();
    if let Some(known) = known.filter(|known| announced.is(known)) {
        return Ok(known.clone());
    }
    let now = shared.now_us();
    if known.is_some_and(|known| now.saturating_sub(known.created_at) < PAUSE) {
        return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "too_many", "begun anew too often").after(2));
    }
    if let Some(known) = known {
        // Before the row says that nothing is there: pieces of two files must never be joined.
        let removed = match &known.object_key {
            Some(key) => shared.artifacts.delete(key).await,
            None => shared.artifacts.discard(known.tenant_id, known.id).await,
        };
        removed.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a replaced file was not removed");
            Refused::busy("the file could not be replaced now")
        })?;
    }
    let row = row(shared, upload, announced, now);
    let mut record = trail::of_endpoint(&upload.endpoint, "artifact.announce", remote, now);
    "artifact".clone_into(&mut record.object_kind);
    record.object_id = row.id.to_string();
    record.detail =
        json!({ "command": row.command_id, "bytes": announced.size, "anew": known.is_some() }).to_string();
    let (written, before) = (row.clone(), known.map(|known| known.state.clone()));
    let most = i64::try_from(upload.most_in_all).unwrap_or(i64::MAX);
    shared
        .store
        .write(move |tx| {
            let Artifact { tenant_id, command_id, kind, id, .. } = &written;
            let beside = artifact::bytes_beside(tx, *tenant_id, *command_id, kind, *id)?;
            if beside.saturating_add(written.size) > most {
                return Ok::<_, StoreError>(Err(beside));
            }
            match &before {
                None => artifact::insert(tx, &written)?,
                Some(before) if artifact::restart(tx, &written, before)? => {}
                Some(_) => return Err(StoreError::Conflict("artifact".to_owned())),
            }
            audit::append(tx, &record).map(Ok)
        })
        .await?
        .map_err(|beside| {
            let text =
                format!("this order's files of the kind may have {most} bytes, and {beside} are taken");
            Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", text)
        })?;
    receive::tell(shared, &row, "uploading");
    Ok(row)
}

fn row(shared: &Shared, upload: &Upload, announced: Announced, now: i64) -> Artifact {
    let command = &upload.command;
    Artifact {
        tenant_id: command.tenant_id,
        id: upload.id,
        task_id: command.task_id,
        command_id: command.id,
        endpoint_id: command.endpoint_id,
        kind: upload.kind.family().to_owned(),
        part: i64::from(upload.kind.part()),
        name: upload.kind.file_name(),
        media_type: upload.kind.media_type().to_owned(),
        size: announced.size as i64,
        sha256: announced.sha256,
        sha1: None,
        state: "uploading".to_owned(),
        received: 0,
        object_key: None,
        created_at: now,
        stored_at: None,
        // Until it is complete it is kept for no longer than its order may still need it.
        expires_at: command.deadline_at.max(now).min(kept_until(shared, now)),
    }
}

/// When the time of a file that is complete now is over.
pub fn kept_until(shared: &Shared, now: i64) -> i64 {
    now.saturating_add(shared.settings.artifact_life.as_micros() as i64)
}
