//! Targets that are services: one command for all that a service serves.
//!
//! Where a row of an endpoint would stand, a service has one that is made here: it has a name and no tags, is active, and no
//! agent of its own. So approval, reach, preview, audit and undo treat it as any target. Its id stands where an endpoint's
//! would (`quell_wire::intent::service_id`), in every tenant the same. Its orders are leased and signed as others are, and
//! carried out by this server, whoever of its nodes takes them.

use std::{collections::HashMap, sync::LazyLock};

use quell_catalog::AGENTS;
use quell_store::{
    Tx, command,
    endpoint::{self, Endpoint},
};
use quell_wire::intent::service_id;
use uuid::Uuid;

use crate::{Engine, Error, bell::Listener};

static AGENTS_ID: LazyLock<Uuid> =
    LazyLock::new(|| service_id(quell_wire::intent::AGENTS).parse().unwrap_or(Uuid::max()));

/// What names a service.
pub fn id(name: &str) -> Uuid {
    if name == AGENTS { *AGENTS_ID } else { service_id(name).parse().unwrap_or(Uuid::max()) }
}

/// The service that this names; `None` where it is an endpoint.
pub fn name(id: Uuid) -> Option<&'static str> {
    (id == *AGENTS_ID).then_some(AGENTS)
}

/// The row of an endpoint, or what stands for a service.
pub(crate) fn or_endpoint(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<Endpoint>, Error> {
    match name(id) {
        Some(name) => Ok(Some(row(tenant, id, name))),
        None => Ok(endpoint::get(tx, tenant, id)?),
    }
}

/// The same for many, by their ids.
pub(crate) fn or_endpoints(
    tx: &mut Tx<'_>,
    tenant: Uuid,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Endpoint>, Error> {
    let mut rows = endpoint::some(tx, tenant, ids)?;
    rows.extend(ids.iter().filter_map(|id| Some((*id, row(tenant, *id, name(*id)?)))));
    Ok(rows)
}

/// What people call a target: the name of the endpoint, or of the service.
pub fn shown(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid) -> Result<Option<String>, quell_store::Error> {
    match name(id) {
        Some(name) => Ok(Some(name.to_owned())),
        None => Ok(endpoint::get(tx, tenant, id)?.map(|row| row.name)),
    }
}

fn row(tenant: Uuid, id: Uuid, name: &str) -> Endpoint {
    Endpoint {
        tenant_id: tenant,
        id,
        name: name.to_owned(),
        state: "active".to_owned(),
        public_key: Vec::new(),
        cert_serial: String::new(),
        cert_not_after: 0,
        fingerprint: String::new(),
        os: "service".to_owned(),
        arch: String::new(),
        agent_version: String::new(),
        facts: "{}".to_owned(),
        capabilities: "[]".to_owned(),
        isolation: None,
        tags: "[]".to_owned(),
        enrolled_at: 0,
        last_seen_at: None,
        alarm: None,
    }
}

impl Engine {
    /// Listens for work of a service, in any tenant.
    pub fn listen_service(&self, service: Uuid) -> Listener {
        self.inner.bell.listen(Uuid::nil(), service)
    }

    /// Tenants that have work for a service, or gave it work that has not ended.
    pub async fn service_tenants(&self, service: Uuid) -> Result<Vec<Uuid>, Error> {
        self.read(move |tx| Ok(command::tenants_of(tx, service)?)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_and_the_protocol_mean_the_same_service() {
        assert_eq!(AGENTS, quell_wire::intent::AGENTS);
        assert_eq!(name(id(AGENTS)), Some(AGENTS));
        assert_eq!(name(id("mail")), None);
    }
}
