//! Who asks: a person, a program, an endpoint, or the server itself.

use quell_store::{Micros, audit};
use serde_json::Value;
use uuid::Uuid;

use crate::ids::Ids;

/// Who asks, and from where. Its rights were checked before it came here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// `user`, `api_key`, `endpoint`, `automation` or `system`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Its name, as people know it now.
    pub name: String,
    /// `api`, `cli`, `console`, `agent`, `timer` …
    pub from: String,
    /// The request that this is part of.
    pub request_id: Option<String>,
    /// The address that it came from.
    pub remote: Option<String>,
}

impl Actor {
    /// The server itself, acting on a timer.
    pub fn system() -> Self {
        Self {
            kind: "system".to_owned(),
            id: "engine".to_owned(),
            name: "Quell".to_owned(),
            from: "timer".to_owned(),
            request_id: None,
            remote: None,
        }
    }

    /// An endpoint's agent.
    pub fn endpoint(id: Uuid) -> Self {
        Self {
            kind: "endpoint".to_owned(),
            id: id.to_string(),
            name: String::new(),
            from: "agent".to_owned(),
            request_id: None,
            remote: None,
        }
    }

    /// An audit record of what this actor did.
    pub(crate) fn record(&self, ids: &Ids, tenant_id: Uuid, at: Micros, deed: Deed<'_>) -> audit::Record {
        audit::Record {
            tenant_id,
            id: ids.next(),
            at,
            actor_kind: self.kind.clone(),
            actor_id: self.id.clone(),
            actor_name: self.name.clone(),
            verb: deed.verb.to_owned(),
            object_kind: deed.kind.to_owned(),
            object_id: deed.object.to_string(),
            outcome: deed.outcome.to_owned(),
            detail: deed.detail.to_string(),
            request_id: self.request_id.clone(),
            remote: self.remote.clone(),
        }
    }
}

/// What an audit record says was done.
pub(crate) struct Deed<'a> {
    pub(crate) verb: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) object: Uuid,
    pub(crate) outcome: &'a str,
    pub(crate) detail: Value,
}
