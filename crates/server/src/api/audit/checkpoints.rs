//! `GET /audit/checkpoints`.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use prost::Message as _;
use quell_audit::Checkpoint;
use quell_store::{Error, checkpoint, server_key};
use quell_wire::{digest::hex, keys::key_id};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::cursor::{self, List, Page, Turn};
use crate::api::export::{self, Cells};
use crate::api::query::Query;
use crate::api::route::{Route, permit};
use crate::api::time;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::sealing::PURPOSE;
use crate::state::App;

pub(super) fn route() -> Route {
    permit(Permission::AuditRead, routes!(list_audit_checkpoints))
}

/// A checkpoint of the audit trail. Who keeps one elsewhere can show later that the trail was cut or written anew.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditCheckpoint {
    /// Its number, from 0 without a gap.
    number: i64,
    /// How many records stand under it.
    records: u64,
    /// The lowest id of them.
    #[schema(format = Uuid)]
    first: String,
    /// The highest id of them.
    #[schema(format = Uuid)]
    last: String,
    /// When it was made.
    #[schema(format = DateTime)]
    sealed_at: String,
    /// Root of the Merkle tree (RFC 6962) over the records, lower-case hex.
    root: String,
    /// SHA-256 of its bytes, lower-case hex: what the next one names, and what to keep.
    sha256: String,
    /// SHA-256 of the checkpoint before; empty for the first.
    previous: String,
    /// The bytes that were signed, lower-case hex.
    body: String,
    /// Ed25519 signature over `quell/audit-checkpoint/v1`, a zero byte, and these bytes; lower-case hex.
    signature: String,
    /// The first 16 hex digits of the SHA-256 of the public key.
    key_id: String,
    /// The public key as this server knows it, lower-case hex. A verifier takes it from elsewhere.
    public_key: Option<String>,
}

/// Checkpoints of the audit trail, oldest first
///
/// Every record is put under one within a second. `quell audit verify` checks all of it in the database itself.
#[utoipa::path(get, path = "/audit/checkpoints", tag = "audit", params(Turn),
    responses((status = 200, body = Page<AuditCheckpoint>)))]
pub(super) async fn list_audit_checkpoints(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Query(turn): Query<Turn>,
) -> Result<Response, Problem> {
    export::list(turn, &headers, "audit-checkpoints", move |turn| read(app.clone(), caller.tenant, turn))
        .await
}

async fn read(app: App, tenant: Uuid, turn: Turn) -> Result<Page<AuditCheckpoint>, Problem> {
    let (after, limit) = turn.numbers(List::Checkpoints)?;
    let (mut rows, keys) = app
        .store
        .read(move |tx| {
            let rows = checkpoint::list(tx, tenant, after, limit + 1)?;
            Ok::<_, Error>((rows, server_key::list(tx, PURPOSE)?))
        })
        .await?;
    let keys: HashMap<String, Vec<u8>> =
        keys.into_iter().map(|key| (key_id(&key.public), key.public)).collect();
    let next = cursor::cut(List::Checkpoints, &mut rows, limit, |row| row.batch);
    let items = rows.into_iter().map(|row| AuditCheckpoint::of(row, &keys)).collect();
    Ok(Page { items, next })
}

impl AuditCheckpoint {
    /// The view of a row. What its bytes say is shown, not judged: to verify is another's work.
    fn of(row: checkpoint::Checkpoint, keys: &HashMap<String, Vec<u8>>) -> Self {
        let said = Checkpoint::decode(row.body.as_slice()).unwrap_or_default();
        let id = |bytes: &[u8]| Uuid::from_slice(bytes).unwrap_or_default().to_string();
        Self {
            number: row.batch,
            records: said.count,
            first: id(&said.first),
            last: id(&said.last),
            sealed_at: time::text(said.sealed_at_us),
            root: hex(&said.root),
            sha256: hex(&quell_audit::digest(&row.body)),
            previous: hex(&said.previous),
            body: hex(&row.body),
            signature: hex(&row.signature),
            public_key: keys.get(&row.key_id).map(|key| hex(key)),
            key_id: row.key_id,
        }
    }
}

impl Cells for AuditCheckpoint {
    const COLUMNS: &'static [&'static str] = &[
        "number",
        "records",
        "first",
        "last",
        "sealed_at",
        "root",
        "sha256",
        "previous",
        "body",
        "signature",
        "key_id",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.number.to_string(),
            self.records.to_string(),
            self.first.clone(),
            self.last.clone(),
            self.sealed_at.clone(),
            self.root.clone(),
            self.sha256.clone(),
            self.previous.clone(),
            self.body.clone(),
            self.signature.clone(),
            self.key_id.clone(),
        ]
    }
}
