//! Artifacts, as the API shows them.

mod content;
mod custody;
mod entries;
mod entry;
mod list;
mod range;
mod show;

use quell_store::{Error, Tx, artifact, endpoint};
use quell_wire::digest::hex;
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::entries::Listings;
use super::export::Cells;
use super::route::Route;
use super::time;

/// The routes of artifacts.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = vec![list::route(), show::route(), content::route(), entries::route(), custody::route()];
    routes.extend(entry::routes());
    routes
}

/// A stored file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Artifact {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// The task that asked for it.
    #[schema(format = Uuid)]
    task_id: String,
    /// The command that made it.
    #[schema(format = Uuid)]
    command_id: String,
    /// Where it comes from.
    #[schema(format = Uuid)]
    endpoint_id: String,
    /// That endpoint's name now.
    endpoint_name: String,
    /// What it is: `archive` and `file` (encrypted zip), `recording` (asciicast), `rows` (a part of what an action found,
    /// gzip of JSON lines).
    kind: String,
    /// A file name to offer, chosen by the server.
    name: String,
    /// Media type.
    media_type: String,
    /// Bytes, as announced.
    size: i64,
    /// Bytes received.
    received: i64,
    /// SHA-256, checked by the server when the last byte was there.
    sha256: String,
    /// SHA-1, where it was told.
    sha1: Option<String>,
    /// `uploading`, `stored`, `failed`, `expired` or `deleted`.
    state: String,
    /// When it was announced.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was complete.
    #[schema(format = DateTime)]
    stored_at: Option<String>,
    /// When it is deleted.
    #[schema(format = DateTime)]
    expires_at: String,
}

impl Artifact {
    /// The view of a row, with the name of its endpoint.
    pub fn read(tx: &mut Tx<'_>, row: artifact::Artifact) -> Result<Self, Error> {
        let endpoint = endpoint::get(tx, row.tenant_id, row.endpoint_id)?;
        Ok(Self::of(row, endpoint.map_or_else(String::new, |row| row.name)))
    }

    fn of(row: artifact::Artifact, endpoint_name: String) -> Self {
        Self {
            id: row.id.to_string(),
            task_id: row.task_id.to_string(),
            command_id: row.command_id.to_string(),
            endpoint_id: row.endpoint_id.to_string(),
            endpoint_name,
            kind: row.kind,
            name: row.name,
            media_type: row.media_type,
            size: row.size,
            received: row.received,
            sha256: hex(&row.sha256),
            sha1: row.sha1.as_deref().map(hex),
            state: row.state,
            created_at: time::text(row.created_at),
            stored_at: time::maybe(row.stored_at),
            expires_at: time::text(row.expires_at),
        }
    }
}

impl Cells for Artifact {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "task_id",
        "command_id",
        "endpoint_id",
        "endpoint_name",
        "kind",
        "name",
        "media_type",
        "size",
        "sha256",
        "state",
        "created_at",
        "stored_at",
        "expires_at",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.task_id.clone(),
            self.command_id.clone(),
            self.endpoint_id.clone(),
            self.endpoint_name.clone(),
            self.kind.clone(),
            self.name.clone(),
            self.media_type.clone(),
            self.size.to_string(),
            self.sha256.clone(),
            self.state.clone(),
            self.created_at.clone(),
            self.stored_at.clone().unwrap_or_default(),
            self.expires_at.clone(),
        ]
    }
}
