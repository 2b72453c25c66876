//! One piece of an upload: appended, brought to the disk, and answered with the offset that is safe.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use quell_engine::Change;
use quell_store::artifact::{self, Artifact};
use quell_store::endpoint::Endpoint;
use quell_store::{audit, blob};
use quell_wire::path::{UPLOAD_LENGTH, UPLOAD_OFFSET};
use serde_json::json;

use super::super::connection::Connection;
use super::super::reply::{Refused, Reply};
use super::super::{Shared, trail};
use super::{Upload, announce, announced, number, offset};

/// While no bytes come, a revocation is looked for this often.
const LOOK: Duration = Duration::from_millis(500);
/// After so many looks without a byte, what came so far is kept and the request ends.
const LOOKS: u32 = 60;

/// Receives a piece; with the last one the file is checked and moved into the store.
pub async fn piece(
    shared: &Arc<Shared>,
    connection: &Connection,
    upload: Upload,
    request: Request<Incoming>,
) -> Result<Reply, Refused> {
    let announced = announced(request.headers())?;
    let start = number(request.headers(), UPLOAD_OFFSET)?;
    if announced.size > upload.most {
        return Err(Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("this order's file may have {} bytes", upload.most),
        ));
    }
    let _turn = Arc::clone(&shared.uploads)
        .try_acquire_owned()
        .map_err(|_| Refused::busy("too many files are being received"))?;
    check_space(shared, announced.size.saturating_sub(start))?;
    let row = announce::announce(shared, &upload, announced, connection.remote).await?;
    if row.state == "stored" {
        return Ok(offset(StatusCode::CREATED, announced.size));
    }
    let body = watched(Arc::clone(shared), upload.endpoint.clone(), request.into_body());
    let (tenant, id) = (row.tenant_id, row.id);
    let appended = shared.artifacts.append(tenant, id, start, announced.size, body).await;
    let end = match appended {
        Ok(end) => end,
        Err(error) => return failed(shared, &row, error).await,
    };
    shared.store.write(move |tx| artifact::received(tx, tenant, id, end as i64)).await?;
    if end < announced.size {
        return Ok(offset(StatusCode::OK, end));
    }
    // On a task of its own: checking a large file outlives an agent's patience, and must not begin again each time.
    let finishing = finish(Arc::clone(shared), row, upload.endpoint, connection.remote);
    tokio::spawn(finishing).await.map_err(|_| Refused::busy("the file could not be checked now"))?
}

/// Bytes that are safe.
pub async fn received(shared: &Shared, row: &Artifact) -> Result<u64, Refused> {
    shared.artifacts.received(row.tenant_id, row.id).await.map_err(|error| refused(&error))
}

async fn finish(
    shared: Arc<Shared>,
    row: Artifact,
    endpoint: Endpoint,
    remote: SocketAddr,
) -> Result<Reply, Refused> {
    let (tenant, id, size) = (row.tenant_id, row.id, row.size as u64);
    let key = match shared.artifacts.finish(tenant, id, size, &row.sha256).await {
        Ok(key) => key,
        Err(error) => return failed(&shared, &row, error).await,
    };
    let now = shared.now_us();
    let mut record = trail::of_endpoint(&endpoint, "artifact.store", remote, now);
    "artifact".clone_into(&mut record.object_kind);
    record.object_id = id.to_string();
    record.detail = json!({ "command": row.command_id, "bytes": size,
        "sha256": quell_wire::digest::hex(&row.sha256) })
    .to_string();
    let (stored_key, expires_at) = (key.clone(), announce::kept_until(&shared, now));
    let stored = shared.store.write(move |tx| {
        artifact::stored(tx, tenant, id, &stored_key, now)?;
        artifact::keep_until(tx, tenant, id, expires_at)?;
        audit::append(tx, &record)
    });
    match stored.await {
        Ok(()) => {
            tell(&shared, &row, "stored");
            Ok(offset(StatusCode::CREATED, size))
        }
        Err(quell_store::Error::Conflict(_)) => {
            // Ended meanwhile (expired, replaced): no row would ever name the object.
            let _ = shared.artifacts.delete(&key).await;
            Err(Refused::new(StatusCode::CONFLICT, "conflict", "the upload was ended meanwhile"))
        }
        Err(error) => Err(error.into()),
    }
}

async fn failed(shared: &Shared, row: &Artifact, error: blob::Error) -> Result<Reply, Refused> {
    let (tenant, id) = (row.tenant_id, row.id);
    match error {
        blob::Error::Offset(end) => {
            let mut reply: Reply =
                Refused::new(StatusCode::CONFLICT, "offset", format!("the upload stands at byte {end}"))
                    .into();
            reply.headers_mut().insert(UPLOAD_OFFSET, HeaderValue::from(end));
            reply.headers_mut().insert(UPLOAD_LENGTH, HeaderValue::from(row.size));
            Ok(reply)
        }
        blob::Error::Mismatch => {
            shared.store.write(move |tx| artifact::end(tx, tenant, id, "uploading", "failed")).await?;
            tell(shared, row, "failed");
            discard(shared, row).await;
            Err(refused(&error))
        }
        blob::Error::Full => {
            // Half a file is of no use to anyone, and the space is.
            discard(shared, row).await;
            Err(refused(&error))
        }
        other => Err(refused(&other)),
    }
}

/// Tells those who watch.
pub(super) fn tell(shared: &Shared, row: &Artifact, state: &'static str) {
    let Artifact { tenant_id: tenant, task_id: task, command_id: command, id: artifact, .. } = *row;
    shared.engine.changes().tell(Change::Artifact { tenant, task, command, artifact, state });
}

async fn discard(shared: &Shared, row: &Artifact) {
    if let Err(error) = shared.artifacts.discard(row.tenant_id, row.id).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "an unfinished upload was not removed");
    }
}

fn refused(error: &blob::Error) -> Refused {
    let message = error.to_string();
    match error {
        blob::Error::Offset(_) => Refused::new(StatusCode::CONFLICT, "offset", message),
        blob::Error::TooLong(_) => Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message),
        blob::Error::Mismatch => Refused::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "hash_mismatch",
            "the file that arrived is not the one that was announced; send it anew",
        ),
        blob::Error::Busy => Refused::new(StatusCode::CONFLICT, "busy", message).after(2),
        blob::Error::NotFound => Refused::new(StatusCode::NOT_FOUND, "not_found", message),
        blob::Error::Full => full(),
        blob::Error::Io(_) | blob::Error::Object(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "a file could not be received");
            Refused::busy("the file could not be received now")
        }
    }
}

fn full() -> Refused {
    Refused::new(StatusCode::INSUFFICIENT_STORAGE, "storage_full", "the server has no space left for files")
        .after(60)
}

/// Refuses before the disk is full: the database lives on it too.
fn check_space(shared: &Shared, needed: u64) -> Result<(), Refused> {
    let Ok(disk) = rustix::fs::statvfs(&shared.settings.artifact_directory) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < needed.saturating_add(shared.settings.reserved_bytes) { Err(full()) } else { Ok(()) }
}

/// The body, given up when nothing comes for a while or when the endpoint was revoked meanwhile.
fn watched(
    shared: Arc<Shared>,
    endpoint: Endpoint,
    body: Incoming,
) -> impl Stream<Item = io::Result<Bytes>> + Unpin {
    let frames = body.into_data_stream().map_err(io::Error::other);
    let revocations = shared.sessions.revocations();
    Box::pin(futures_util::stream::unfold(frames, move |mut frames| {
        let shared = Arc::clone(&shared);
        let id = endpoint.id;
        async move {
            for _ in 0..LOOKS {
                let next = tokio::time::timeout(LOOK, frames.next()).await;
                if shared.sessions.revoked_since(id, revocations) {
                    return Some((Err(io::ErrorKind::PermissionDenied.into()), frames));
                }
                if let Ok(item) = next {
                    return item.map(|item| (item, frames));
                }
            }
            Some((Err(io::ErrorKind::TimedOut.into()), frames))
        }
    }))
}
