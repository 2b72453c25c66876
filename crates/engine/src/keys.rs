//! Agents' keys in memory. A look into the database that a revocation overtook leaves nothing here.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

/// Agents' keys that are held in memory.
const KEYS: usize = 100_000;

/// Public keys of agents, so that a signature costs no look into the database.
#[derive(Default)]
pub(crate) struct Keys {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    keys: HashMap<(Uuid, Uuid), Vec<u8>>,
    /// How often one was forgotten: a key that was looked up before the last time may be that one.
    forgotten: u64,
}

impl Keys {
    /// The key, or what [`Keys::put`] is to be told with the one that is looked up now.
    pub(crate) fn get(&self, tenant: Uuid, endpoint: Uuid) -> Result<Vec<u8>, u64> {
        let held = self.lock();
        held.keys.get(&(tenant, endpoint)).cloned().ok_or(held.forgotten)
    }

    pub(crate) fn put(&self, tenant: Uuid, endpoint: Uuid, key: Vec<u8>, forgotten: u64) {
        let mut held = self.lock();
        if held.keys.len() < KEYS && held.forgotten == forgotten {
            held.keys.insert((tenant, endpoint), key);
        }
    }

    pub(crate) fn forget(&self, tenant: Uuid, endpoint: Uuid) {
        let mut held = self.lock();
        held.forgotten += 1;
        held.keys.remove(&(tenant, endpoint));
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
