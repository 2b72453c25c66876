//! Ending an endpoint's identity: nothing of what waits for it may ever reach whoever holds that identity.

use quell_store::{Micros, Tx, audit, command, endpoint, task};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Actor, Change, Engine, Error,
    actor::Deed,
    settle::{self, Moved, Step},
    state::Event,
};

impl Engine {
    /// Revokes an endpoint and voids what is open on it: what waits is canceled, what was handed over ends
    /// `indeterminate`. The caller ends its sessions.
    pub async fn revoke(
        &self,
        actor: &Actor,
        tenant: Uuid,
        endpoint: Uuid,
        reason: &str,
    ) -> Result<usize, Error> {
        let (inner, actor, reason) = (self.inner.clone(), actor.clone(), reason.to_owned());
        let moved = self
            .write(move |tx| {
                let now = inner.clock.now();
                endpoint::revoke(tx, tenant, endpoint)?;
                let moved = void(tx, tenant, endpoint, now)?;
                let detail = json!({ "reason": reason, "voided": moved.len() });
                let deed = Deed {
                    verb: "endpoint.revoke",
                    kind: "endpoint",
                    object: endpoint,
                    outcome: "ok",
                    detail,
                };
                audit::append(tx, &actor.record(&inner.ids, tenant, now, deed))?;
                Ok(moved)
            })
            .await?;
        self.inner.keys.forget(tenant, endpoint);
        let voided = moved.len();
        self.announce(moved);
        self.inner.changes.tell(Change::Endpoint { tenant, endpoint });
        Ok(voided)
    }
}

fn void(tx: &mut Tx<'_>, tenant: Uuid, endpoint: Uuid, now: Micros) -> Result<Vec<Moved>, Error> {
    let mut moved = Vec::new();
    loop {
        let page = command::open_of_endpoint(tx, tenant, endpoint, 500)?;
        if page.is_empty() {
            return Ok(moved);
        }
        for row in page {
            let task = task::get(tx, tenant, row.task_id)?.ok_or(Error::Corrupt("task of a command"))?;
            let step = Step::because(Event::Voided, "endpoint_revoked", "the endpoint's identity was ended");
            let step = settle::apply(tx, &task, &row, &step, now)?;
            // Every open state has an end for this event; without it the loop would not end.
            moved.push(step.ok_or(Error::Corrupt("command state"))?);
        }
    }
}
