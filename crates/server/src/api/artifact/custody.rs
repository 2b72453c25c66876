//! `GET /artifacts/{id}/custody`: where a file came from, that it is the one that came, and who looked at it since.
//!
//! Nothing of this is written down for the purpose. The receipt is the record of the file's arrival in the audit trail with its
//! place under a signed checkpoint; the seal is the outcome that the endpoint signed; the accesses are records of the trail.

use axum::extract::State;
use quell_evidence::sealed;
use quell_store::{Tx, artifact, audit, checkpoint, command, custody, endpoint, server_key};
use quell_wire::Outcome;
use quell_wire::digest::hex;
use quell_wire::keys::key_id;
use quell_wire::merkle::Tree;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::api::body::Json;
use crate::api::endpoint::stored_json;
use crate::api::query::Id;
use crate::api::route::{Route, permit};
use crate::api::time;
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::sealing;
use crate::state::App;

/// Records of accesses that are shown.
const MOST: u32 = 1000;
/// The format's name and version.
const FORMAT: &str = "quell.custody/1";

pub(super) fn route() -> Route {
    permit(Permission::ArtifactRead, routes!(show_custody))
}

/// The chain of custody of a file.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Custody {
    /// `quell.custody/1`.
    format: &'static str,
    /// The file.
    #[schema(format = Uuid)]
    artifact_id: String,
    /// Bytes, as they arrived.
    size: i64,
    /// SHA-256 of them.
    sha256: String,
    /// What the endpoint said of it, signed with its own key; `null` while the command has not ended.
    seal: Option<Seal>,
    /// That it arrived, signed with the key of the audit trail; `null` until the next checkpoint.
    receipt: Option<Receipt>,
    /// Who looked at it or took it, oldest first.
    accesses: Vec<Access>,
    /// There were more.
    truncated: bool,
}

/// The endpoint's seal.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Seal {
    /// The endpoint's public key, 64 hex digits.
    key: String,
    /// Its id.
    key_id: String,
    /// The outcome's bytes, as they were signed, hex.
    outcome: String,
    /// The signature, hex.
    signature: String,
    /// SHA-256 of the file, as the outcome says; `null` where it does not name it, as of the last of very many files that were
    /// got within one shell.
    sha256: Option<String>,
    /// SHA-256 of the manifest within, as the outcome says.
    manifest_sha256: Option<String>,
    /// When the endpoint had it complete, by its own clock.
    #[schema(format = DateTime)]
    sealed_at: String,
}

/// The server's receipt: a record of the audit trail, and the way from it to a signed checkpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Receipt {
    /// When the last byte had arrived and its hash was compared.
    #[schema(format = DateTime)]
    received_at: String,
    /// The record, as it is hashed, hex.
    record: String,
    /// Its place under the checkpoint, from 0.
    index: i64,
    /// Hashes that lead from it to the root, hex.
    proof: Vec<String>,
    /// The checkpoint's number.
    batch: i64,
    /// The checkpoint, as it was signed, hex.
    checkpoint: String,
    /// The signature, hex.
    signature: String,
    /// The public key, 64 hex digits.
    key: String,
    /// Its id.
    key_id: String,
}

/// Somebody had to do with it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Access {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// What: `artifact.download`, `artifact.browse`, `artifact.entry.view` …
    verb: String,
    /// What kind of actor.
    actor_kind: String,
    /// Which.
    actor_id: String,
    /// Its name at that time.
    actor_name: String,
    /// What else is known.
    detail: Value,
    /// The record of the audit trail.
    #[schema(format = Uuid)]
    record_id: String,
}

/// The chain of custody of a file
///
/// Signed at the source, received under a signed checkpoint, and each access since. Kept as JSON it is verified offline:
/// `quell artifacts verify`.
#[utoipa::path(get, path = "/artifacts/{id}/custody", tag = "artifacts", params(("id" = Uuid, Path)),
    responses((status = 200, body = Custody)))]
pub(super) async fn show_custody(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Custody>, Problem> {
    let tenant = caller.tenant;
    let custody = app
        .store
        .read(move |tx| {
            let Some(row) = artifact::get(tx, tenant, id)? else {
                return Err(Problem::not_found("artifact"));
            };
            let (accesses, truncated) = accesses(tx, &row)?;
            Ok(Custody {
                format: FORMAT,
                artifact_id: row.id.to_string(),
                size: row.size,
                sha256: hex(&row.sha256),
                seal: seal(tx, &row)?,
                receipt: receipt(tx, &row)?,
                accesses,
                truncated,
            })
        })
        .await?;
    Ok(Json(custody))
}

fn seal(tx: &mut Tx<'_>, row: &artifact::Artifact) -> Result<Option<Seal>, quell_store::Error> {
    let Some(signed) = command::signed_outcome(tx, row.tenant_id, row.command_id)? else { return Ok(None) };
    let Some(endpoint) = endpoint::get(tx, row.tenant_id, row.endpoint_id)? else { return Ok(None) };
    let outcome = <Outcome as prost::Message>::decode(signed.bytes.as_slice()).unwrap_or_default();
    let result: Value = serde_json::from_slice(&outcome.result).unwrap_or_default();
    let text = |path: &str| result.pointer(path).and_then(Value::as_str).map(str::to_owned);
    Ok(Some(Seal {
        key: hex(&endpoint.public_key),
        key_id: key_id(&endpoint.public_key),
        outcome: hex(&signed.bytes),
        signature: hex(&signed.signature),
        sha256: sealed(&result, &row.id.to_string()).map(str::to_owned),
        manifest_sha256: text("/manifest_sha256"),
        sealed_at: time::text(outcome.ended_at_us),
    }))
}

fn receipt(tx: &mut Tx<'_>, row: &artifact::Artifact) -> Result<Option<Receipt>, quell_store::Error> {
    let tenant = row.tenant_id;
    let Some(record) = custody::newest(tx, tenant, &row.id.to_string(), "artifact.store")? else {
        return Ok(None);
    };
    let Some((batch, index)) = custody::place(tx, tenant, record.id)? else { return Ok(None) };
    let signed = checkpoint::list(tx, tenant, batch - 1, 1)?.into_iter().next();
    let Some(signed) = signed.filter(|signed| signed.batch == batch) else { return Ok(None) };
    let keys = server_key::list(tx, sealing::PURPOSE)?;
    let Some(key) = keys.into_iter().map(|key| key.public).find(|key| key_id(key) == signed.key_id) else {
        return Ok(None);
    };
    let body =
        <quell_audit::Checkpoint as prost::Message>::decode(signed.body.as_slice()).unwrap_or_default();
    let (Ok(first), Ok(last)) = (Uuid::from_slice(&body.first), Uuid::from_slice(&body.last)) else {
        return Ok(None);
    };
    let leaves: Vec<Vec<u8>> = audit::of_batch(tx, tenant, (first, last), batch)?
        .iter()
        .map(|(_, record)| quell_audit::encode(record))
        .collect();
    let proof = usize::try_from(index).ok().and_then(|index| Tree::new(&leaves)?.proof(index));
    Ok(proof.map(|proof| Receipt {
        received_at: time::text(record.at),
        record: hex(&quell_audit::encode(&record)),
        index,
        proof: proof.iter().map(|hash| hex(hash)).collect(),
        batch,
        checkpoint: hex(&signed.body),
        signature: hex(&signed.signature),
        key: hex(&key),
        key_id: signed.key_id,
    }))
}

fn accesses(tx: &mut Tx<'_>, row: &artifact::Artifact) -> Result<(Vec<Access>, bool), quell_store::Error> {
    let mut all = Vec::new();
    let mut truncated = false;
    let page = quell_store::Page { after: None, limit: MOST };
    let of_file = audit::Filter { object_id: Some(row.id.to_string()), ..audit::Filter::default() };
    let of_password = audit::Filter {
        object_id: Some(row.task_id.to_string()),
        verb: Some("archive_password.read".to_owned()),
        ..audit::Filter::default()
    };
    let of = |object: Uuid, verb: &str| audit::Filter {
        object_id: Some(object.to_string()),
        verb: Some(verb.to_owned()),
        ..audit::Filter::default()
    };
    // What is not asked for as a file is recorded with what it was asked for as.
    let of_kind = match row.kind.as_str() {
        "recording" => {
            ["shell.watch", "shell.replay", "shell.search"].map(|verb| of(row.command_id, verb)).to_vec()
        }
        "rows" => ["task.rows.view", "task.rows.export"].map(|verb| of(row.task_id, verb)).to_vec(),
        _ => Vec::new(),
    };
    for filter in [of_file, of_password].into_iter().chain(of_kind) {
        let paged = audit::list(tx, row.tenant_id, &filter, page)?;
        truncated |= paged.next.is_some();
        all.extend(paged.rows);
    }
    all.sort_by_key(|record| record.id);
    let accesses = all.into_iter().map(|record| Access {
        at: time::text(record.at),
        verb: record.verb,
        actor_kind: record.actor_kind,
        actor_id: record.actor_id,
        actor_name: record.actor_name,
        detail: stored_json(&record.detail),
        record_id: record.id.to_string(),
    });
    Ok((accesses.collect(), truncated))
}
