//! Incidents whose time is over, and what never became part of one: removed piece by piece, so that nobody waits for it.

use quell_store::incident::Incident;
use quell_store::{Error, Micros, Tx, audit, chain, detection, incident};
use serde_json::json;
use uuid::Uuid;

use super::CHAINS;
use crate::state::Inner;

/// A day, microseconds.
const DAY: Micros = 24 * 3600 * 1_000_000;
/// How long a closed incident is kept: a year.
const INCIDENTS: Micros = 365 * DAY;
/// How long what other products told is kept where it belongs to no incident.
const DETECTIONS: Micros = 90 * DAY;
/// How long a chain is kept for which no detection came.
const CHAINS_ALONE: Micros = DAY;
/// Rows that one transaction removes.
const ROWS: i64 = 1_000;
/// Transactions of one round.
const TURNS: usize = 100;

/// Removes what is due. Answers how many incidents went.
pub(crate) async fn sweep(app: &Inner) -> Result<usize, Error> {
    let now = app.now();
    let mut turns = TURNS;
    let alone = app.store.read(move |tx| chain::loose(tx, now - CHAINS_ALONE, 50)).await?;
    for (tenant, id) in alone {
        remove_chain(app, tenant, id, &mut turns).await?;
    }
    while turns > 0 {
        turns -= 1;
        let gone = app.store.write(move |tx| detection::remove_loose(tx, now - DETECTIONS, ROWS)).await?;
        if i64::try_from(gone).is_ok_and(|gone| gone < ROWS) {
            break;
        }
    }
    let mut ended = 0;
    for (tenant, id) in app.store.read(move |tx| incident::over(tx, now - INCIDENTS, 50)).await? {
        ended += usize::from(remove(app, tenant, id, &mut turns).await?);
    }
    Ok(ended)
}

/// Removes a chain; `false` where this round has no turns left for it.
async fn remove_chain(app: &Inner, tenant: Uuid, id: Uuid, turns: &mut usize) -> Result<bool, Error> {
    while *turns > 0 {
        *turns -= 1;
        if app.store.write(move |tx| chain::remove_some(tx, tenant, id, ROWS)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn remove(app: &Inner, tenant: Uuid, id: Uuid, turns: &mut usize) -> Result<bool, Error> {
    loop {
        let chains = app.store.read(move |tx| chain::of_incident(tx, tenant, id, CHAINS)).await?;
        if chains.is_empty() {
            break;
        }
        for chain in chains {
            if !remove_chain(app, tenant, chain.id, turns).await? {
                return Ok(false);
            }
        }
    }
    while *turns > 0 {
        *turns -= 1;
        let gone = app.store.write(move |tx| detection::remove_some(tx, tenant, id, ROWS)).await?;
        if i64::try_from(gone).is_ok_and(|gone| gone < ROWS) {
            let now = app.now();
            return app.store.write(move |tx| end(tx, tenant, id, now)).await;
        }
    }
    Ok(false)
}

/// Removes the incident itself, where nobody opened it again meanwhile.
fn end(tx: &mut Tx<'_>, tenant: Uuid, id: Uuid, now: Micros) -> Result<bool, Error> {
    let Some(row) = incident::get(tx, tenant, id)?.filter(|row| row.state == "closed") else {
        return Ok(false);
    };
    incident::delete(tx, tenant, id)?;
    audit::append(tx, &record(&row, now))?;
    Ok(true)
}

fn record(row: &Incident, now: Micros) -> audit::Record {
    let detail = json!({ "number": row.number, "title": row.title, "resolution": row.resolution });
    audit::Record {
        tenant_id: row.tenant_id,
        id: Uuid::now_v7(),
        at: now,
        actor_kind: "system".to_owned(),
        actor_id: "retention".to_owned(),
        actor_name: "Quell".to_owned(),
        verb: "incident.expire".to_owned(),
        object_kind: "incident".to_owned(),
        object_id: row.id.to_string(),
        outcome: "ok".to_owned(),
        detail: detail.to_string(),
        request_id: None,
        remote: None,
    }
}
