//! The caller of a request: what handlers and audit records know about who asks.

use std::net::{IpAddr, SocketAddr};

use axum::extract::FromRequestParts;
use http::request::Parts;
use quell_store::{Micros, audit};
use serde_json::Value;
use uuid::Uuid;

use super::Role;
use crate::problem::{Code, Problem};

/// The address at the other end of the connection. Forwarding headers are never believed.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The id under which log, audit and answer name a request.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Who asks. Made by [`super::guard`] alone.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant of the key: whose things the request is about.
    pub tenant: Uuid,
    /// The key.
    pub key: Uuid,
    /// The part of the key that is not secret.
    pub prefix: String,
    /// The key's name.
    pub name: String,
    /// What the key may do.
    pub role: Role,
    /// This request.
    pub request_id: String,
    /// Where it came from.
    pub remote: IpAddr,
}

impl Caller {
    /// The kind of actor that an API key is, in audit and intents.
    pub const KIND: &'static str = "api_key";

    /// The same for the engine.
    pub fn actor(&self) -> quell_engine::Actor {
        quell_engine::Actor {
            kind: Self::KIND.to_owned(),
            id: self.key.to_string(),
            name: self.name.clone(),
            from: "api".to_owned(),
            request_id: Some(self.request_id.clone()),
            remote: Some(self.remote.to_string()),
        }
    }

    /// The audit record of an act of this caller.
    pub fn record(
        &self,
        now: Micros,
        verb: &str,
        object_kind: &str,
        object_id: &str,
        detail: &Value,
    ) -> audit::Record {
        audit::Record {
            tenant_id: self.tenant,
            id: Uuid::now_v7(),
            at: now,
            actor_kind: Self::KIND.to_owned(),
            actor_id: self.key.to_string(),
            actor_name: self.name.clone(),
            verb: verb.to_owned(),
            object_kind: object_kind.to_owned(),
            object_id: object_id.to_owned(),
            outcome: "ok".to_owned(),
            detail: detail.to_string(),
            request_id: Some(self.request_id.clone()),
            remote: Some(self.remote.to_string()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(Code::Unauthenticated, "the request has no valid API key"))
    }
}
