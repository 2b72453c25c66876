//! Seals what was written since the last time.

use std::sync::Arc;

use quell_store::{
    Micros, Store, Tx,
    audit::{self, Record},
    checkpoint,
};
use quell_wire::{SigningKey, merkle::Tree};
use uuid::Uuid;

use crate::{
    checkpoint::{Checkpoint, digest, sign},
    leaf,
};

/// Records under one checkpoint: few, so that nobody waits long for the writer.
const BATCH: i64 = 512;
/// Tenants that are looked after in one round.
const TENANTS: i64 = 10_000;
/// What the sealers of one database take turns on: no object has this id.
const TURN: Uuid = Uuid::from_u128(0x61756469_742d_7365_616c_000000000001);

/// Why nothing was sealed. It is tried again at the next round.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not do it.
    #[error("the audit trail could not be sealed")]
    Store(#[from] quell_store::Error),
    /// Another sealer was faster.
    #[error("another sealer took these records")]
    Taken,
}

/// Seals the trails of a database. Several may run at once; each record gets one place.
#[derive(Clone, Debug)]
pub struct Sealer {
    key: Arc<SigningKey>,
}

impl Sealer {
    /// A sealer that signs with this key.
    pub fn new(key: SigningKey) -> Self {
        Self { key: Arc::new(key) }
    }

    /// The public half of its key.
    pub fn public(&self) -> Vec<u8> {
        self.key.public()
    }

    /// Seals what waits, of all tenants, and answers how many records that were.
    ///
    /// # Errors
    /// The first failure; what was sealed before it stays sealed.
    pub async fn round(&self, store: &Store, now: Micros) -> Result<u64, Error> {
        let tenants: Vec<Uuid> =
            store.read(|tx| Ok::<_, Error>(audit::tenants_unsealed(tx, TENANTS)?)).await?;
        let mut sealed = 0;
        for tenant in tenants {
            loop {
                let count = self.batch(store, tenant, now).await?;
                sealed += count as u64;
                if (count as i64) < BATCH {
                    break;
                }
            }
        }
        Ok(sealed)
    }

    /// Seals one batch. The hashing is done before the transaction, which others wait for.
    async fn batch(&self, store: &Store, tenant: Uuid, now: Micros) -> Result<usize, Error> {
        let records: Vec<Record> =
            store.read(move |tx| Ok::<_, Error>(audit::unsealed(tx, tenant, BATCH)?)).await?;
        let leaves: Vec<Vec<u8>> = records.iter().map(leaf::encode).collect();
        let ids: Vec<Uuid> = records.iter().map(|record| record.id).collect();
        let (Some(tree), Some(first), Some(last)) =
            (Tree::new(&leaves), ids.first().copied(), ids.last().copied())
        else {
            return Ok(0);
        };
        let (key, root, count) = (Arc::clone(&self.key), tree.root(), ids.len());
        store
            .write(move |tx| {
                let draft = Checkpoint {
                    tenant: tenant.as_bytes().to_vec(),
                    count: ids.len() as u64,
                    root: root.to_vec(),
                    sealed_at_us: now,
                    first: first.as_bytes().to_vec(),
                    last: last.as_bytes().to_vec(),
                    ..Checkpoint::default()
                };
                place(tx, &key, tenant, draft, &ids)
            })
            .await?;
        Ok(count)
    }
}

/// Gives the records their places and appends the checkpoint, all or nothing.
fn place(
    tx: &mut Tx<'_>,
    key: &SigningKey,
    tenant: Uuid,
    draft: Checkpoint,
    ids: &[Uuid],
) -> Result<(), Error> {
    tx.serialise(tenant, TURN)?;
    let before = checkpoint::last(tx, tenant)?;
    let batch = before.as_ref().map_or(0, |row| row.batch + 1);
    for (leaf, id) in ids.iter().enumerate() {
        if !audit::seal(tx, tenant, *id, batch, leaf as i64)? {
            return Err(Error::Taken);
        }
    }
    let previous = before.map(|row| digest(&row.body).to_vec()).unwrap_or_default();
    let checkpoint = Checkpoint { batch: batch.cast_unsigned(), previous, ..draft };
    Ok(checkpoint::append(tx, &sign(key, tenant, &checkpoint))?)
}
