//! Artifacts whose time is over: their bytes go, their records and digests stay.

use quell_engine::Change;
use quell_store::{approval, artifact, audit, session, step_up, ticket};
use serde_json::json;
use uuid::Uuid;

use crate::problem::Problem;
use crate::state::Inner;

/// Artifacts that are looked at at a time.
const GROUP: i64 = 100;

/// Ends what is due. Answers how many ended.
pub(crate) async fn sweep(app: &Inner) -> Result<usize, Problem> {
    let now = app.now();
    let due = app.store.read(move |tx| artifact::due(tx, now, GROUP)).await?;
    let count = due.len();
    for row in due {
        // First the row, then the bytes: a crash between the two leaves bytes that nobody is offered, never an offer
        // without bytes.
        let record = record(&row, now);
        let ended = row.clone();
        let is_ended = app
            .store
            .write(move |tx| {
                let is_ended = artifact::end(tx, ended.tenant_id, ended.id, &ended.state, "expired")?;
                if is_ended {
                    audit::append(tx, &record)?;
                }
                Ok::<_, quell_store::Error>(is_ended)
            })
            .await?;
        if !is_ended {
            continue;
        }
        let artifact::Artifact {
            tenant_id: tenant, task_id: task, command_id: command, id: artifact, ..
        } = row;
        app.engine.changes().tell(Change::Artifact { tenant, task, command, artifact, state: "expired" });
        let gone = match &row.object_key {
            Some(key) => app.artifacts.delete(key).await,
            None => app.artifacts.discard(row.tenant_id, row.id).await,
        };
        if let Err(error) = gone {
            tracing::error!(%error, artifact.id = %row.id, "the bytes of an expired artifact could not be removed");
        }
    }
    Ok(count)
}

/// How long ended sessions are kept, microseconds: from where people signed in before is known by them.
const SESSIONS: i64 = 30 * 24 * 3600 * 1_000_000;
/// How long requests for approval are kept: 60 days.
const REQUESTS: i64 = 60 * 24 * 3600 * 1_000_000;
/// How long used confirmations and links are kept.
const PROOFS: i64 = 24 * 3600 * 1_000_000;

/// Removes sessions, confirmations, links and requests for approval that ended a while ago. The trail keeps that they were.
pub(crate) async fn forget_ended(app: &Inner) -> Result<(), quell_store::Error> {
    let now = app.now();
    app.store
        .write(move |tx| {
            step_up::sweep(tx, now - PROOFS)?;
            ticket::sweep(tx, now - PROOFS)?;
            approval::sweep(tx, now - REQUESTS)?;
            session::sweep(tx, now - SESSIONS).map(drop)
        })
        .await
}

fn record(row: &artifact::Artifact, now: i64) -> audit::Record {
    audit::Record {
        tenant_id: row.tenant_id,
        id: Uuid::now_v7(),
        at: now,
        actor_kind: "system".to_owned(),
        actor_id: "retention".to_owned(),
        actor_name: "Quell".to_owned(),
        verb: "artifact.expire".to_owned(),
        object_kind: "artifact".to_owned(),
        object_id: row.id.to_string(),
        outcome: "ok".to_owned(),
        detail: json!({ "name": row.name, "was": row.state, "task": row.task_id.to_string() }).to_string(),
        request_id: None,
        remote: None,
    }
}
