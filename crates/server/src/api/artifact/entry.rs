//! `GET /artifacts/{id}/entries/{index}` and its preview: one file out of an archive.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use futures_util::StreamExt as _;
use http::{HeaderName, HeaderValue, header};
use quell_evidence::archive::Entry;
use quell_store::audit;
use quell_wire::digest::hex;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::content::safe_name;
use super::entries::archive::{Found, find, open, unreadable};
use crate::api::body::Json;
use crate::api::query::{Query, parse_id};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::{Code, Problem};
use crate::state::App;

/// Bytes of a preview, unless asked otherwise, and at most.
const SHOWN: u64 = 4096;
const MOST_SHOWN: u64 = 64 << 10;
/// How far into a file a preview may begin: everything before it has to be inflated. Bytes.
const FARTHEST: u64 = 64 << 20;

pub(super) fn routes() -> Vec<Route> {
    vec![
        permit(Permission::SecretRead, routes!(download_entry)),
        permit(Permission::SecretRead, routes!(preview_entry)),
    ]
}

/// A part of a file, to be looked at.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryPreview {
    /// Its name in the archive.
    name: String,
    /// Where the part begins. Bytes.
    offset: u64,
    /// Bytes of the whole file.
    size: u64,
    /// The part, lower-case hex.
    hex: String,
    /// The part as text: what is no UTF-8 or cannot be shown is replaced. For people; it is never markup.
    text: String,
    /// It reads as text.
    is_text: bool,
}

/// Which part.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Where it begins, at most 67108864 (64 MiB); 0 where absent.
    #[param(maximum = 67_108_864)]
    offset: Option<u64>,
    /// Bytes, 1 to 65536; 4096 where absent.
    #[param(minimum = 1, maximum = 65_536)]
    length: Option<u64>,
}

/// Download one file of an archive
///
/// Decrypted on the server: needs `artifact.download` beside `secret.read`. Always as a file to be saved, never as something that a browser shows; recorded before its first
/// byte leaves. What its checksum says is known at its end: a connection that breaks off there means that it was changed.
#[utoipa::path(get, path = "/artifacts/{id}/entries/{index}", tag = "artifacts",
    params(("id" = Uuid, Path), ("index" = u32, Path)), responses(
    (status = 200, description = "The file", content_type = "application/octet-stream", body = Vec<u8>)))]
pub(super) async fn download_entry(
    State(app): State<App>,
    caller: Caller,
    Path((id, index)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (found, entry, sha256) = one(&app, &caller, &id, &index).await?;
    let stream = open(&app, &found, &entry).await?;
    let detail =
        serde_json::json!({ "name": entry.name, "index": index, "bytes": entry.size, "sha256": sha256 });
    let record = caller.record(app.now(), "artifact.entry.download", "artifact", &id, &detail);
    app.store.write::<_, _, quell_store::Error>(move |tx| audit::append(tx, &record)).await?;
    let mut response = Response::new(Body::from_stream(stream));
    let last = entry.name.rsplit('/').next().unwrap_or_default();
    let lines = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, entry.size.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", safe_name(last))),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (HeaderName::from_static("quell-sha256"), sha256.unwrap_or_default()),
    ];
    for (name, value) in lines {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(&value)) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// Look at a part of one file of an archive
///
/// As text and as hex, for people to read. Needs `artifact.download` beside `secret.read`; recorded like a download.
#[utoipa::path(get, path = "/artifacts/{id}/entries/{index}/preview", tag = "artifacts",
    params(("id" = Uuid, Path), ("index" = u32, Path), Part), responses((status = 200, body = EntryPreview)))]
pub(super) async fn preview_entry(
    State(app): State<App>,
    caller: Caller,
    Path((id, index)): Path<(String, String)>,
    Query(part): Query<Part>,
) -> Result<Json<EntryPreview>, Problem> {
    let (offset, length) = (part.offset.unwrap_or(0), part.length.unwrap_or(SHOWN));
    if offset > FARTHEST || length == 0 || length > MOST_SHOWN {
        let detail = "offset: at most 67108864, and length: 1 to 65536";
        return Err(Problem::new(Code::InvalidQuery, detail).hint("Download the file to read all of it."));
    }
    let (found, entry, sha256) = one(&app, &caller, &id, &index).await?;
    let detail = serde_json::json!({
        "name": entry.name, "index": index, "offset": offset, "length": length, "sha256": sha256,
    });
    let record = caller.record(app.now(), "artifact.entry.view", "artifact", &id, &detail);
    app.store.write::<_, _, quell_store::Error>(move |tx| audit::append(tx, &record)).await?;
    let mut pieces = Box::pin(open(&app, &found, &entry).await?);
    let (mut at, mut shown) = (0u64, Vec::new());
    while at < offset + length {
        let Some(piece) = pieces.next().await else { break };
        let piece = piece.map_err(|error| unreadable(&error))?;
        let from = usize::try_from(offset.saturating_sub(at)).unwrap_or(usize::MAX).min(piece.len());
        let to = usize::try_from((offset + length).saturating_sub(at)).unwrap_or(usize::MAX).min(piece.len());
        shown.extend_from_slice(&piece[from..to]);
        at += piece.len() as u64;
    }
    let (text, is_text) = readable(&shown);
    Ok(Json(EntryPreview { name: entry.name, offset, size: entry.size, hex: hex(&shown), text, is_text }))
}

/// The entry, and its SHA-256 as the manifest has it.
async fn one(
    app: &App,
    caller: &Caller,
    id: &str,
    index: &str,
) -> Result<(Found, Entry, Option<String>), Problem> {
    let id: Uuid = parse_id(id).ok_or_else(|| Problem::not_found("artifact"))?;
    let index: usize = index.parse().map_err(|_| Problem::not_found("entry"))?;
    let found = find(app, caller, id).await?;
    let contents = app.listings.of(app, &found).await?;
    let entry = contents.entries.get(index).cloned().ok_or_else(|| Problem::not_found("entry"))?;
    let sha256 = contents.items.get(index).and_then(|item| item.sha256.clone());
    Ok((found, entry, sha256))
}

/// Text for people, and whether it is one: a cut character at either end does not count against it.
fn readable(bytes: &[u8]) -> (String, bool) {
    let text = String::from_utf8_lossy(bytes);
    let odd =
        text.chars().filter(|c| *c == '\u{fffd}' || (c.is_control() && !matches!(c, '\n' | '\r' | '\t')));
    let odd = odd.count();
    let shown = text.chars().map(|c| match c {
        '\n' | '\t' => c,
        c if c.is_control() => '\u{fffd}',
        c => c,
    });
    (shown.collect(), odd <= 6 && odd * 20 <= text.chars().count().max(1) + 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_bytes() {
        assert!(readable(b"root:x:0:0\n").1);
        assert!(readable("é\u{1F600}".as_bytes()).1);
        assert!(readable(&"é".as_bytes()[1..]).1, "cut within a character");
        assert!(!readable(&[0; 64]).1);
        assert_eq!(readable(b"a\x1b[31mb").0, "a\u{fffd}[31mb");
    }
}
