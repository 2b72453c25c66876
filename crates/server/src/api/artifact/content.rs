//! `GET /artifacts/{id}/content`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use quell_store::{artifact, audit, blob};
use quell_wire::digest::hex;
use utoipa_axum::routes;

use super::range::{Wanted, wanted};
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::ArtifactDownload, routes!(download_artifact))
}

/// Download an artifact
///
/// One range may be asked for, so that a download can be resumed; `If-Range` takes the `ETag`. Each download is
/// recorded before its first byte leaves.
#[utoipa::path(get, path = "/artifacts/{id}/content", tag = "artifacts", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The file", content_type = "application/octet-stream", body = Vec<u8>),
    (status = 206, description = "The range of it", content_type = "application/octet-stream", body = Vec<u8>)))]
pub(super) async fn download_artifact(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
) -> Result<Response, Problem> {
    let tenant = caller.tenant;
    let row = app.store.read(move |tx| artifact::get(tx, tenant, id)).await?;
    let row = row.ok_or_else(|| Problem::not_found("artifact"))?;
    let (asks, of) = (caller.clone(), row.endpoint_id);
    app.store.read(move |tx| asks.reaches_id(tx, Permission::ArtifactDownload, of)).await?;
    let key = object_key(&row)?;
    let size = u64::try_from(row.size).unwrap_or(0);
    let etag = format!("\"{}\"", hex(&row.sha256));
    let range = match wanted(&headers, size, &etag) {
        Wanted::Whole => None,
        Wanted::Part(range) => Some(range),
        Wanted::Outside => {
            return Err(Problem::new(Code::RangeNotSatisfiable, format!("the file has {size} bytes")));
        }
    };
    let (_, stream) = app.artifacts.read(&key, range.clone()).await.map_err(failed)?;
    let detail = serde_json::json!({
        "name": row.name, "sha256": hex(&row.sha256), "task": row.task_id.to_string(),
        "first_byte": range.as_ref().map(|range| range.start),
    });
    let record = caller.record(app.now(), "artifact.download", "artifact", &id.to_string(), &detail);
    app.store.write::<_, _, quell_store::Error>(move |tx| audit::append(tx, &record)).await?;
    let mut response = Response::new(Body::from_stream(stream));
    let length = range.as_ref().map_or(size, |range| range.end - range.start);
    let mut lines = vec![
        (header::CONTENT_TYPE, safe_type(&row.media_type).to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", safe_name(&row.name))),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, etag),
        (HeaderName::from_static("quell-sha256"), hex(&row.sha256)),
    ];
    if let Some(range) = range {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        lines.push((header::CONTENT_RANGE, format!("bytes {}-{}/{size}", range.start, range.end - 1)));
    }
    for (name, value) in lines {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

pub(super) fn object_key(row: &artifact::Artifact) -> Result<String, Problem> {
    match row.state.as_str() {
        "expired" | "deleted" => Err(Problem::new(Code::ArtifactGone, "the file is no longer kept")),
        "stored" => row
            .object_key
            .clone()
            .ok_or_else(|| Problem::new(Code::ArtifactGone, "the file is no longer kept")),
        state => Err(Problem::new(
            Code::ArtifactNotReady,
            format!("the file is {state}: {} of {} bytes are there", row.received, row.size),
        )),
    }
}

pub(super) fn failed(error: blob::Error) -> Problem {
    match error {
        blob::Error::NotFound => Problem::new(Code::ArtifactGone, "the file is no longer kept"),
        other => Problem::internal(&other),
    }
}

/// Only what no browser would show or run.
fn safe_type(media_type: &str) -> &'static str {
    match media_type {
        "application/zip" => "application/zip",
        "application/gzip" => "application/gzip",
        _ => "application/octet-stream",
    }
}

/// A name that is inert in a header, in a shell and on every file system.
pub(super) fn safe_name(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' })
        .take(120)
        .collect();
    let clean = clean.trim_matches('.');
    if clean.is_empty() { "artifact".to_owned() } else { clean.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_inert() {
        for (name, safe) in [
            ("evidence.zip", "evidence.zip"),
            ("../../etc/passwd", "_.._etc_passwd"),
            ("a\"; filename=b.exe", "a___filename_b.exe"),
            ("x\r\nSet-Cookie: a", "x__Set-Cookie__a"),
            ("...", "artifact"),
            ("", "artifact"),
        ] {
            assert_eq!(safe_name(name), safe);
        }
        assert_eq!(safe_type("text/html"), "application/octet-stream");
    }
}
