//! Where a request without a credential comes from.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;
use quell_store::{Micros, audit};
use serde_json::Value;
use uuid::Uuid;

use super::credential::is_same_origin;
use super::{Peer, RequestId};
use crate::problem::{Code, Problem};

/// Most characters of what a program calls itself.
const AGENT: usize = 200;

/// Where a request comes from: the address at the other end of the connection, never one that a header names.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The address.
    pub remote: IpAddr,
    /// The program, as it calls itself.
    pub agent: String,
    /// The request.
    pub request_id: String,
    /// Whether a browser says that it is one of our own pages'.
    pub is_own: bool,
}

impl Origin {
    /// Reads it from the head of a request.
    pub fn of(parts: &Parts) -> Result<Self, Problem> {
        let unknown = || Problem::new(Code::Unauthenticated, "it is not known where the request comes from");
        let peer = parts.extensions.get::<Peer>().ok_or_else(unknown)?;
        let request_id = parts.extensions.get::<RequestId>().ok_or_else(unknown)?.0.clone();
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let agent = agent.unwrap_or_default().chars().filter(|c| !c.is_control()).take(AGENT).collect();
        let is_own = is_same_origin(&parts.headers);
        Ok(Self { remote: peer.0.ip().to_canonical(), agent, request_id, is_own })
    }

    /// Refuses what does not come from our own pages: a cookie that another site's page could set or use.
    pub fn own(&self) -> Result<(), Problem> {
        if self.is_own {
            return Ok(());
        }
        Err(Problem::new(Code::CrossSite, "the request comes from another site's page, or says not from which")
            .hint("A session in a cookie is begun by Quell's own pages; programs ask with `\"deliver\": \"token\"`."))
    }

    /// The audit record of what a person did who has no session yet.
    pub fn record(
        &self,
        (tenant, person, name): (Uuid, Uuid, &str),
        now: Micros,
        verb: &str,
        (object_kind, object_id): (&str, &str),
        detail: &Value,
    ) -> audit::Record {
        audit::Record {
            tenant_id: tenant,
            id: Uuid::now_v7(),
            at: now,
            actor_kind: "person".to_owned(),
            actor_id: person.to_string(),
            actor_name: name.to_owned(),
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

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(parts)
    }
}
