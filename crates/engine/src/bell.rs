//! Doorbells: who holds an endpoint's session is told that there is work. A bell may be lost; a poll backs it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;
use uuid::Uuid;

/// A tenant and an endpoint of it.
pub type Door = (Uuid, Uuid);

/// All doorbells of this process. An idle endpoint costs one entry here and nothing else.
#[derive(Clone, Default)]
pub struct Bell {
    doors: Arc<Mutex<HashMap<Door, Arc<Notify>>>>,
}

impl Bell {
    /// Listens at an endpoint's door. The latest listener gets the bell; a ring that comes before it waits is kept.
    pub fn listen(&self, tenant: Uuid, endpoint: Uuid) -> Listener {
        let notify = Arc::new(Notify::new());
        let door = (tenant, endpoint);
        self.lock().insert(door, Arc::clone(&notify));
        Listener { bell: self.clone(), door, notify }
    }

    /// Rings. `false` when nobody listens here.
    pub fn ring(&self, tenant: Uuid, endpoint: Uuid) -> bool {
        // A service is one for all tenants.
        let tenant = if crate::service::name(endpoint).is_some() { Uuid::nil() } else { tenant };
        self.lock().get(&(tenant, endpoint)).map(|notify| notify.notify_one()).is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Door, Arc<Notify>>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who listens, until dropped.
pub struct Listener {
    bell: Bell,
    door: Door,
    notify: Arc<Notify>,
}

impl Listener {
    /// Waits until the bell rang since the last time this was asked. Cancel safe.
    pub async fn rung(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut doors = self.bell.lock();
        // A newer session may have taken the door over.
        if doors.get(&self.door).is_some_and(|held| Arc::ptr_eq(held, &self.notify)) {
            doors.remove(&self.door);
        }
    }
}
