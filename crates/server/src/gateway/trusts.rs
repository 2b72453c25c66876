//! The tenants' trust bundles, as agents are handed them: those that rotated the root, and the newest.
//!
//! They are in the database, signed by roots that are not here. Each node reads them at its start and looks again from time
//! to time, so that it also hears of a bundle that another node took.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quell_store::{Error, Store, trust};
use quell_wire::limits;
use quell_wire::trust::{Pin, SignedTrustBundle};
use uuid::Uuid;

use super::Sessions;

/// A tenant's bundles, oldest first, each with its serial.
pub(crate) type Chain = Arc<[(u64, SignedTrustBundle)]>;

/// All of them.
#[derive(Debug, Default)]
pub struct Trusts {
    held: Mutex<HashMap<Uuid, Chain>>,
    /// Of two looks, the later one is told last.
    looking: tokio::sync::Mutex<()>,
}

impl Trusts {
    /// A tenant's bundles; empty where it has none.
    pub(crate) fn of(&self, tenant: Uuid) -> Chain {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned().unwrap_or_default()
    }

    /// What a new endpoint of the tenant is to pin; `None` where the tenant has no root.
    pub(crate) fn pin(&self, tenant: Uuid) -> Option<Pin> {
        let chain = self.of(tenant);
        let bundle = chain.last()?.1.open().ok()?;
        Some(Pin::of(&bundle.root_key, bundle.serial))
    }

    /// Looks at the database: at the start, after a change, and for changes that another node took. Live sessions are told
    /// of what is news.
    pub async fn look(&self, store: &Store, sessions: &Sessions) -> Result<(), Error> {
        let _looking = self.looking.lock().await;
        let fresh = chains(store.read(trust::in_use).await?);
        let before =
            std::mem::replace(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner), fresh.clone());
        for (tenant, chain) in fresh {
            if before.get(&tenant) != Some(&chain) {
                sessions.trust_changed(tenant);
            }
        }
        Ok(())
    }
}

fn chains(rows: Vec<trust::Bundle>) -> HashMap<Uuid, Chain> {
    let mut chains: HashMap<Uuid, Vec<(u64, SignedTrustBundle)>> = HashMap::new();
    for row in rows {
        let signed = SignedTrustBundle { bundle: row.bundle, signature: row.signature, key_id: row.key_id };
        chains.entry(row.tenant_id).or_default().push((row.serial.unsigned_abs(), signed));
    }
    // The oldest rotations are of no use to those who can still be helped: an endpoint that was away for more must be
    // pinned anew.
    let newest = |chain: Vec<_>| chain[chain.len().saturating_sub(limits::TRUST_CHAIN)..].into();
    chains.into_iter().map(|(tenant, chain)| (tenant, newest(chain))).collect()
}
