//! Objects whose time is over: they go without a task, and the audit trail says so.

use std::collections::HashSet;

use quell_store::audit;
use quell_store::blocklist as rows;
use uuid::Uuid;

use super::Error;
use super::batch::batches;
use super::change::{self, BATCH, Change, Changed};
use crate::state::App;

/// Takes off what counts no more, and has it published. Called every so often.
pub(crate) async fn expire(app: &App) -> Result<(), Error> {
    let now = app.now();
    let expired = app.store.read(move |tx| rows::expired(tx, now, BATCH as i64)).await?;
    let tenants: HashSet<Uuid> = expired.iter().map(|(tenant, _, _)| *tenant).collect();
    for tenant in tenants {
        let mine = expired.iter().filter(|(of, _, _)| *of == tenant);
        let changes: Vec<Change> = mine
            .filter_map(|(_, kind, bytes)| change::value(*kind, bytes))
            .map(|value| Change::Expire { value })
            .collect();
        for batch in batches(changes) {
            app.store
                .write(move |tx| {
                    let changed = change::make(tx, tenant, &batch, "expiry", now)?;
                    if changed.removed + changed.changed > 0 {
                        audit::append(tx, &expiry(tenant, now, &batch, &changed))?;
                    }
                    Ok::<_, quell_store::Error>(())
                })
                .await?;
        }
    }
    app.block_lists.look().await
}

/// Objects that a record of an expiry names.
const EXPIRED_NAMED: usize = 20;

/// The record of what went since its time was over: the first objects by name, the others by number.
fn expiry(tenant: Uuid, now: i64, batch: &[Change], changed: &Changed) -> audit::Record {
    let named = batch.iter().filter_map(|change| match change {
        Change::Expire { value } => Some(value.to_string().chars().take(200).collect::<String>()),
        _ => None,
    });
    let named: Vec<String> = named.take(EXPIRED_NAMED).collect();
    audit::Record {
        tenant_id: tenant,
        id: Uuid::now_v7(),
        at: now,
        actor_kind: "system".to_owned(),
        actor_id: "expiry".to_owned(),
        actor_name: "Quell".to_owned(),
        verb: "blocklist.expire".to_owned(),
        object_kind: "block_list".to_owned(),
        object_id: "objects".to_owned(),
        outcome: "ok".to_owned(),
        detail: serde_json::json!({
            "version": changed.state.version, "objects": batch.len(), "removed": changed.removed,
            "changed": changed.changed, "first": named,
        })
        .to_string(),
        request_id: None,
        remote: None,
    }
}
