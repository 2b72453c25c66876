//! Reading the sealed trail: each batch once, in its order, behind a cursor for each tenant.

use prost::Message as _;
use quell_audit::Checkpoint;
use quell_store::{
    Error, Micros, Tx, audit, checkpoint,
    notice::{self, Behind},
};
use uuid::Uuid;

use super::{outbox, told};
use crate::state::App;

/// Tenants of one round.
const TENANTS: i64 = 1000;
/// Batches of one step.
const BATCHES: i64 = 8;
/// A tenant older than this, whose trail nobody followed before, is told of nothing that lies behind it.
const NEW: Micros = 3600 * 1_000_000;

/// Reads what was sealed since. Answers whether something was written down.
pub(crate) async fn gather(app: &App) -> Result<bool, Error> {
    let mut is_any = false;
    for tenant in app.store.read(|tx| notice::behind(tx, TENANTS)).await? {
        is_any |= follow(app, tenant).await?;
    }
    Ok(is_any)
}

async fn follow(app: &App, tenant: Behind) -> Result<bool, Error> {
    let now = app.now();
    let id = tenant.tenant_id;
    let Some(mut from) = tenant.batch else {
        let batch = if tenant.created_at > now - NEW {
            -1
        } else {
            app.store.read(move |tx| checkpoint::last(tx, id)).await?.map_or(-1, |last| last.batch)
        };
        app.store.write(move |tx| notice::begin(tx, id, batch)).await?;
        return Ok(false);
    };
    let mut is_any = false;
    loop {
        let (to, records) = app.store.read(move |tx| read(tx, id, from)).await?;
        if to == from {
            return Ok(is_any);
        }
        is_any |= !records.is_empty();
        let name = tenant.name.clone();
        let is_ours = app
            .store
            .write(move |tx| {
                if !notice::advance(tx, id, from, to)? {
                    return Ok(false);
                }
                for record in &records {
                    if let Some(told) = told::told(tx, record, &name)? {
                        outbox::write(tx, id, record.id, &told, now)?;
                    }
                }
                Ok::<_, Error>(true)
            })
            .await?;
        if !is_ours {
            return Ok(is_any);
        }
        from = to;
    }
}

/// The next batches after this one, and of their records those of which something is told.
fn read(tx: &mut Tx<'_>, tenant: Uuid, from: i64) -> Result<(i64, Vec<audit::Record>), Error> {
    let mut to = from;
    let mut records = Vec::new();
    for row in checkpoint::list(tx, tenant, from, BATCHES)? {
        let corrupt = || Error::Corrupt(format!("checkpoint {}", row.batch));
        let checkpoint = Checkpoint::decode(&*row.body).map_err(|_| corrupt())?;
        let id = |bytes: &[u8]| Uuid::from_slice(bytes).map_err(|_| corrupt());
        let range = (id(&checkpoint.first)?, id(&checkpoint.last)?);
        let batch = audit::of_batch_but(tx, tenant, range, row.batch, "command")?;
        records.extend(batch.into_iter().filter(told::is_told));
        to = row.batch;
    }
    Ok((to, records))
}
