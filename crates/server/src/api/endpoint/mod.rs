//! Endpoints, as the API shows them.

mod acknowledge;
mod list;
mod rename;
mod revoke;
mod row;
mod show;
mod tag;
mod tag_many;

use quell_store::endpoint;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

pub(crate) use row::EndpointRow;

use super::export::Cells;
use super::route::Route;
use super::time;
use crate::state::Inner;

/// The routes of endpoints.
pub(crate) fn routes() -> Vec<Route> {
    vec![
        list::route(),
        show::route(),
        tag::route(),
        tag_many::route(),
        rename::route(),
        acknowledge::route(),
        revoke::route(),
    ]
}

/// A machine with our agent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Endpoint {
    /// Its id.
    #[schema(format = Uuid)]
    id: String,
    /// What people call it and name it by: unique among active endpoints, and never changed by its agent. The host
    /// name that the agent says stands in `facts`.
    name: String,
    /// `active` or `revoked`.
    state: String,
    /// Its agent holds a session now.
    connected: bool,
    /// `linux`, `windows` or `macos`.
    os: String,
    /// `x86_64` or `aarch64`.
    arch: String,
    /// Version of its agent.
    agent_version: String,
    /// What it says about itself.
    #[schema(value_type = Object)]
    facts: Value,
    /// Actions that its agent carries out.
    capabilities: Value,
    /// Its isolation, while it is isolated.
    #[schema(value_type = Option<Object>)]
    isolation: Option<Value>,
    /// Tags, set by people.
    tags: Vec<String>,
    /// Digest that binds its identity to the machine.
    fingerprint: String,
    /// Serial of its certificate, hex.
    certificate_serial: String,
    /// End of its certificate.
    #[schema(format = DateTime)]
    certificate_not_after: String,
    /// When it was enrolled.
    #[schema(format = DateTime)]
    enrolled_at: String,
    /// When it was last heard, within some seconds.
    #[schema(format = DateTime)]
    last_seen_at: Option<String>,
    /// What a person should look at, until somebody acknowledges it or, for a broken isolation, until it is whole
    /// again or over.
    alarm: Option<String>,
}

/// JSON text of the database.
pub(crate) fn stored_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

impl Endpoint {
    /// The view of a row.
    pub fn of(app: &Inner, row: endpoint::Endpoint) -> Self {
        Self {
            connected: app.is_connected(row.id),
            id: row.id.to_string(),
            name: row.name,
            state: row.state,
            os: row.os,
            arch: row.arch,
            agent_version: row.agent_version,
            facts: stored_json(&row.facts),
            capabilities: stored_json(&row.capabilities),
            isolation: row.isolation.as_deref().map(stored_json),
            tags: serde_json::from_str(&row.tags).unwrap_or_default(),
            fingerprint: row.fingerprint,
            certificate_serial: row.cert_serial,
            certificate_not_after: time::text(row.cert_not_after),
            enrolled_at: time::text(row.enrolled_at),
            last_seen_at: time::maybe(row.last_seen_at),
            alarm: row.alarm,
        }
    }
}

impl Cells for Endpoint {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "state",
        "connected",
        "os",
        "arch",
        "agent_version",
        "isolated",
        "tags",
        "enrolled_at",
        "last_seen_at",
        "alarm",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.state.clone(),
            self.connected.to_string(),
            self.os.clone(),
            self.arch.clone(),
            self.agent_version.clone(),
            self.isolation.is_some().to_string(),
            self.tags.join(" "),
            self.enrolled_at.clone(),
            self.last_seen_at.clone().unwrap_or_default(),
            self.alarm.clone().unwrap_or_default(),
        ]
    }
}
