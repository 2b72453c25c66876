//! Who asks: a person, a program, an endpoint, or the server itself.

use std::sync::Arc;

use quell_access::policy::Class;
use quell_access::{Access, Permission, Reach};
use quell_store::{Micros, audit, endpoint::Endpoint};
use serde_json::Value;
use uuid::Uuid;

use crate::{Error, approval::tags, ids::Ids};

/// Who asks, and from where. Its rights were checked before it came here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// `person`, `api_key`, `endpoint` or `system`.
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
    /// As whom the approval policy sees it.
    pub class: Class,
    /// The human behind it, however many accounts and keys they have.
    pub human: Option<Uuid>,
    /// What it may do in the tenant; everything where absent, which only the server itself is.
    pub access: Option<Arc<Access>>,
    /// How the person confirmed this very request at the moment of asking, where they did.
    pub confirmed: Option<String>,
}

impl Actor {
    /// The kind of a person.
    pub const PERSON: &'static str = "person";

    /// The server itself, acting on a timer.
    pub fn system() -> Self {
        Self {
            kind: "system".to_owned(),
            id: "engine".to_owned(),
            name: "Quell".to_owned(),
            from: "timer".to_owned(),
            request_id: None,
            remote: None,
            class: Class::System,
            human: None,
            access: None,
            confirmed: None,
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
            class: Class::System,
            human: None,
            access: None,
            confirmed: None,
        }
    }

    /// The person, where it is one.
    pub(crate) fn person(&self) -> Option<Uuid> {
        if self.kind == Self::PERSON { self.id.parse().ok() } else { None }
    }

    /// Whether its rights end somewhere, so that the endpoints have to be looked at.
    pub(crate) fn is_bounded(&self, permission: Permission, action: &str) -> bool {
        self.access.as_ref().is_some_and(|access| access.reach(permission, Some(action)) != Reach::All)
    }

    /// Refuses what its rights do not reach: the action itself, or one of the endpoints.
    pub(crate) fn may_reach(
        &self,
        permission: Permission,
        action: &str,
        endpoints: Vec<Endpoint>,
    ) -> Result<(), Error> {
        let (_, beyond) = self.split(permission, action, endpoints);
        self.beyond(permission, action, beyond).map_or(Ok(()), Err)
    }

    /// Those of the endpoints on which its rights reach the action, and how many there are beside them.
    pub(crate) fn split(
        &self,
        permission: Permission,
        action: &str,
        endpoints: Vec<Endpoint>,
    ) -> (Vec<Endpoint>, usize) {
        let Some(access) = &self.access else { return (endpoints, 0) };
        let count = endpoints.len();
        let reach = if access.allows_action(permission, action) {
            access.reach(permission, Some(action))
        } else {
            Reach::NOTHING
        };
        if reach == Reach::All {
            return (endpoints, 0);
        }
        let within = |endpoint: &Endpoint| reach.has(tags(endpoint).iter().map(String::as_str));
        let reached: Vec<Endpoint> = endpoints.into_iter().filter(within).collect();
        let beyond = count - reached.len();
        (reached, beyond)
    }

    /// Why it may not do this where so many targets are beyond its reach. It names none of them: who gave an id does not
    /// learn what it is called.
    pub(crate) fn beyond(&self, permission: Permission, action: &str, beyond: usize) -> Option<Error> {
        let access = self.access.as_ref()?;
        if !access.allows_action(permission, action) {
            return Some(Error::Beyond(format!("no role of {} covers {action}", self.name)));
        }
        let which = match beyond {
            0 => return None,
            1 => "one of the targets".to_owned(),
            several => format!("{several} of the targets"),
        };
        Some(Error::Beyond(format!("no role of {} reaches {which}", self.name)))
    }

    /// An audit record of what this actor did.
    pub(crate) fn record(&self, ids: &Ids, tenant_id: Uuid, at: Micros, deed: Deed<'_>) -> audit::Record {
        self.record_as(ids.next(), tenant_id, at, deed)
    }

    /// The same under this id.
    pub(crate) fn record_as(&self, id: Uuid, tenant_id: Uuid, at: Micros, deed: Deed<'_>) -> audit::Record {
        audit::Record {
            tenant_id,
            id,
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
