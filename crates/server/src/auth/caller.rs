//! The caller of a request: what handlers and audit records know about who asks.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use quell_access::policy::Class;
use quell_access::{Access, Permission, Reach};
use quell_store::endpoint::{self, Endpoint};
use quell_store::{Micros, Tx, audit};
use serde_json::Value;
use uuid::Uuid;

use super::client::Client;
use super::credential::Presented;
use super::step_up;
use crate::problem::{Code, Problem};
use crate::state::App;

/// The address at the other end of the connection. Forwarding headers are never believed.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The id under which log, audit and answer name a request.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// A program, by its API key.
    Key,
    /// A person, by this session.
    Person {
        /// The session.
        session: Uuid,
    },
}

impl Principal {
    /// The kind of actor, in audit and intents.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Key => "api_key",
            Self::Person { .. } => "person",
        }
    }
}

/// For whom a credential stands, and what they may do.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Whose things the requests are about: the key's tenant, or that of the session.
    pub tenant: Uuid,
    /// The key, or the person.
    pub id: Uuid,
    /// Which of the two.
    pub principal: Principal,
    /// The human behind it. A key without an owner is nobody's: then its own id.
    pub human: Uuid,
    /// Whether the person (or the key's owner) is at home in another tenant: whatever their roles, they ask as an outside
    /// team does.
    pub is_guest: bool,
    /// The name of the key or the person.
    pub name: String,
    /// What they may do in the tenant.
    pub access: Arc<Access>,
    /// When the credential ends by itself.
    pub expires_at: Option<Micros>,
}

/// Who asks. Made by [`super::guard`] alone.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Whose things the request is about.
    pub tenant: Uuid,
    /// For whom the credential stands.
    pub identity: Arc<Identity>,
    /// What was presented.
    pub(crate) credential: Arc<Presented>,
    /// Method and path of this request.
    pub route: String,
    /// With what they ask.
    pub client: Client,
    /// This request.
    pub request_id: String,
    /// Where it came from.
    pub remote: IpAddr,
}

impl Caller {
    /// The name of the key or the person.
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// What they may do.
    pub fn access(&self) -> &Access {
        &self.identity.access
    }

    /// The person and their session; a program is refused.
    pub fn person(&self) -> Result<(Uuid, Uuid), Problem> {
        match self.identity.principal {
            Principal::Person { session } => Ok((self.identity.id, session)),
            Principal::Key => Err(only_people()),
        }
    }

    /// As whom the approval policy sees them.
    pub fn class(&self) -> Class {
        if self.identity.is_guest {
            return Class::Operations;
        }
        match (self.identity.access.class(), self.identity.principal) {
            (Class::Staff, Principal::Key) => Class::Automation,
            (class, _) => class,
        }
    }

    /// Refuses an endpoint that the permission does not reach.
    pub fn reaches(&self, permission: Permission, endpoint: &Endpoint) -> Result<(), Problem> {
        let reach = self.access().reach(permission, None);
        if reach == Reach::All {
            return Ok(());
        }
        let tags: Vec<String> = serde_json::from_str(&endpoint.tags).unwrap_or_default();
        if reach.has(tags.iter().map(String::as_str)) {
            return Ok(());
        }
        let detail = format!("{} does not reach {}", permission.as_str(), endpoint.name);
        Err(Problem::new(Code::Forbidden, detail)
            .hint("A role that reaches it is needed; `quell whoami` shows what yours reach."))
    }

    /// The same for the endpoint with this id.
    pub fn reaches_id(&self, tx: &mut Tx<'_>, permission: Permission, id: Uuid) -> Result<(), Problem> {
        if self.access().reach(permission, None) == Reach::All {
            return Ok(());
        }
        let row = endpoint::get(tx, self.tenant, id)?.ok_or_else(|| Problem::not_found("endpoint"))?;
        self.reaches(permission, &row)
    }

    /// The same for the engine.
    pub fn actor(&self) -> quell_engine::Actor {
        quell_engine::Actor {
            kind: self.identity.principal.kind().to_owned(),
            id: self.identity.id.to_string(),
            name: self.identity.name.clone(),
            from: self.client.to_string(),
            request_id: Some(self.request_id.clone()),
            remote: Some(self.remote.to_string()),
            class: self.class(),
            human: Some(self.identity.human),
            access: Some(Arc::clone(&self.identity.access)),
            confirmed: None,
        }
    }

    /// The same, with the person's confirmation of the request with this body, where it carries one.
    pub(crate) async fn actor_with(
        &self,
        app: &App,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<quell_engine::Actor, Problem> {
        let mut actor = self.actor();
        if headers.contains_key(step_up::HEADER) {
            actor.confirmed = Some(step_up::demand(app, self, headers, body).await?.method);
        }
        Ok(actor)
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
            actor_kind: self.identity.principal.kind().to_owned(),
            actor_id: self.identity.id.to_string(),
            actor_name: self.identity.name.clone(),
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

/// What a program is told where only people may act.
pub(crate) fn only_people() -> Problem {
    Problem::new(Code::Forbidden, "only a person who signed in may do this, not a program with an API key")
        .hint("Sign in: `quell login`, or the console.")
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller
            .ok_or_else(|| Problem::new(Code::Unauthenticated, "the request has no valid API key or session"))
    }
}
