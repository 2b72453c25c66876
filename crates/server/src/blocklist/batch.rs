//! Changes as they are made: in batches, each of which fits a delta and makes a version.

use quell_store::Error;
use quell_store::blocklist as rows;
use uuid::Uuid;

use super::change::{self, BATCH, Change, Changed};
use crate::state::App;

/// Bytes of values in one version.
const VALUES: usize = 512 << 10;

/// Makes changes, a version for each batch.
pub(super) async fn make(
    app: &App,
    tenant: Uuid,
    changes: Vec<Change>,
    task: Uuid,
) -> Result<Changed, Error> {
    let mut done = Changed::default();
    for batch in batches(changes) {
        let (now, cause) = (app.now(), task.to_string());
        let next = app.store.write(move |tx| change::make(tx, tenant, &batch, &cause, now)).await?;
        done.add(next);
    }
    if done.state == rows::State::default() {
        done.state = app.store.read(move |tx| rows::state(tx, tenant)).await?;
    }
    Ok(done)
}

/// Cuts changes so that each batch fits a delta.
pub(super) fn batches(changes: Vec<Change>) -> Vec<Vec<Change>> {
    let (mut batches, mut size) = (vec![Vec::new()], 0);
    for change in changes {
        let bytes = change.key().1.len();
        size += bytes;
        if size > VALUES || batches.last().is_some_and(|batch: &Vec<Change>| batch.len() >= BATCH) {
            batches.push(Vec::new());
            size = bytes;
        }
        if let Some(batch) = batches.last_mut() {
            batch.push(change);
        }
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}
