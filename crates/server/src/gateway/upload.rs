//! Files that an order asked for: received in pieces, at any pace, continued where they stopped.
//!
//! `HEAD …/{order}/{kind}` says how far it is, `PUT` goes on from there. The path names an order and a kind that
//! the protocol lists; nothing that an agent says becomes part of a file name. Only an order that is under way on
//! the asking endpoint has uploads, and only as large as its action allows.

mod announce;
mod quota;
mod receive;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use quell_store::artifact::Artifact;
use quell_store::command::Command;
use quell_store::endpoint::Endpoint;
use quell_store::{Error as StoreError, artifact, command, task};
use quell_wire::artifact::Kind;
use quell_wire::path::{UPLOAD_LENGTH, UPLOAD_OFFSET, UPLOAD_SHA256, artifact_id};
use uuid::Uuid;

use super::Shared;
use super::admit::admit;
use super::connection::Connection;
use super::library::parse_hex;
use super::reply::{self, Refused, Reply};

/// An upload that may happen.
#[derive(Debug)]
struct Upload {
    endpoint: Endpoint,
    command: Command,
    id: Uuid,
    kind: Kind,
    /// Bytes that it may have.
    most: u64,
    /// Bytes that all files of its kind may have together.
    most_in_all: u64,
    /// What is known of it already.
    known: Option<Artifact>,
}

/// What the headers say of the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Announced {
    size: u64,
    sha256: [u8; 32],
}

/// Answers `HEAD` and `PUT`.
pub async fn answer(
    shared: &Arc<Shared>,
    connection: &Connection,
    method: &Method,
    rest: &str,
    request: Request<Incoming>,
) -> Result<Reply, Refused> {
    let admitted = admit(shared, connection).await?;
    let upload = find(shared, admitted.endpoint().clone(), rest).await?;
    match *method {
        Method::HEAD => status(shared, &upload, request.headers()).await,
        Method::PUT => receive::piece(shared, connection, upload, request).await,
        _ => Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method", "uploads take HEAD and PUT")),
    }
}

/// One answer for orders that do not exist, that are not this endpoint's, or that are over.
fn absent() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "not_found", "no order under way here has such an upload")
}

async fn find(shared: &Shared, endpoint: Endpoint, rest: &str) -> Result<Upload, Refused> {
    let (order, kind) = rest.split_once('/').ok_or_else(absent)?;
    let kind = Kind::parse(kind).ok_or_else(absent)?;
    // One spelling of an id only.
    let id = order.parse::<Uuid>().ok().filter(|id| id.to_string() == order).ok_or_else(absent)?;
    let artifact = artifact_id(order, &kind.to_string()).parse::<Uuid>().map_err(|_| absent())?;
    let tenant = endpoint.tenant_id;
    let found = shared
        .store
        .read(move |tx| {
            let Some(command) = command::get(tx, tenant, id)? else { return Ok::<_, StoreError>(None) };
            let params = task::get(tx, tenant, command.task_id)?.map(|task| task.params);
            let known = artifact::get(tx, tenant, artifact)?;
            Ok(Some((command, params.unwrap_or_default(), known)))
        })
        .await?;
    let (command, params, known) = found.ok_or_else(absent)?;
    let is_open = matches!(command.state.as_str(), "dispatched" | "running");
    if command.endpoint_id != endpoint.id || !is_open {
        return Err(absent());
    }
    let quota = quota::of(kind, &command.action, &params).ok_or_else(absent)?;
    Ok(Upload {
        endpoint,
        command,
        id: artifact,
        kind,
        most: quota.one.min(shared.settings.max_artifact_bytes),
        most_in_all: quota.all,
        known,
    })
}

async fn status(shared: &Shared, upload: &Upload, headers: &HeaderMap) -> Result<Reply, Refused> {
    let announced = announced(headers).ok();
    let Some(known) = &upload.known else { return Ok(offset(StatusCode::OK, 0)) };
    // Asked with the headers of the file at hand, so that an upload of another one is not continued.
    if announced.is_some_and(|announced| !announced.is(known)) {
        return Ok(offset(StatusCode::OK, 0));
    }
    let received = match known.state.as_str() {
        "stored" => known.size as u64,
        "uploading" => receive::received(shared, known).await?,
        // Failed or gone: from the beginning.
        _ => 0,
    };
    let mut reply = offset(StatusCode::OK, received);
    reply.headers_mut().insert(UPLOAD_LENGTH, HeaderValue::from(known.size));
    Ok(reply)
}

fn offset(status: StatusCode, offset: u64) -> Reply {
    reply::header(status, UPLOAD_OFFSET, HeaderValue::from(offset))
}

impl Announced {
    /// Whether these are the bytes that the row is about, and it still waits for them or has them.
    fn is(&self, known: &Artifact) -> bool {
        let counts = matches!(known.state.as_str(), "uploading" | "stored");
        counts && known.size as u64 == self.size && known.sha256 == self.sha256
    }
}

fn number(headers: &HeaderMap, name: &'static str) -> Result<u64, Refused> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value
        .filter(|text| text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|number| i64::try_from(*number).is_ok())
        .ok_or_else(|| {
            Refused::new(
                StatusCode::BAD_REQUEST,
                "malformed",
                format!("the header {name} is missing or no number"),
            )
        })
}

fn announced(headers: &HeaderMap) -> Result<Announced, Refused> {
    let size = number(headers, UPLOAD_LENGTH)?;
    let sha256 = headers.get(UPLOAD_SHA256).and_then(|value| value.to_str().ok()).and_then(parse_hex);
    let sha256 = sha256.ok_or_else(|| {
        Refused::new(
            StatusCode::BAD_REQUEST,
            "malformed",
            format!("the header {UPLOAD_SHA256} is missing or no SHA-256 in lower-case hex"),
        )
    })?;
    Ok(Announced { size, sha256 })
}
