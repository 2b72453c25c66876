//! The shells that a server knows at a time: how many there may be, and whose.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::live::{About, Live};

/// Shells at once, for all tenants.
const SHELLS: usize = 1000;
/// The same of one tenant: none takes all room.
const OF_TENANT: usize = 500;
/// Those of one tenant that people wait for and no endpoint has begun.
const WAITED_FOR: usize = 250;
/// The same of one who asked for them.
const WAITED_FOR_OF_ONE: usize = 100;

/// Why a shell is to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its endpoint has it, or had it.
    Begun,
    /// Somebody waits for it to begin.
    Waited,
}

/// The shells, by tenant and id.
#[derive(Default)]
pub(super) struct Table(Mutex<HashMap<(Uuid, Uuid), Arc<Live>>>);

impl Table {
    fn lock(&self) -> MutexGuard<'_, HashMap<(Uuid, Uuid), Arc<Live>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self, tenant: Uuid, id: Uuid) -> Option<Arc<Live>> {
        self.lock().get(&(tenant, id)).cloned()
    }

    pub fn all(&self) -> Vec<Arc<Live>> {
        self.lock().values().cloned().collect()
    }

    /// The shell, known from now on; `None` where there is no room for it.
    pub fn know(&self, about: About, path: PathBuf, cause: Cause) -> Option<Arc<Live>> {
        let mut lives = self.lock();
        let key = (about.tenant, about.id);
        if let Some(live) = lives.get(&key) {
            return Some(Arc::clone(live));
        }
        let mine = || lives.values().filter(|live| live.about.tenant == about.tenant);
        let mut is_full = lives.len() >= SHELLS || mine().count() >= OF_TENANT;
        if cause == Cause::Waited {
            let waited: Vec<&About> =
                mine().filter(|live| !live.has_begun()).map(|live| &live.about).collect();
            let is_theirs = |of: &About| {
                (&of.requester_kind, &of.requester_id) == (&about.requester_kind, &about.requester_id)
            };
            is_full |= waited.len() >= WAITED_FOR
                || waited.iter().filter(|of| is_theirs(of)).count() >= WAITED_FOR_OF_ONE;
        }
        if is_full {
            return None;
        }
        let live = Arc::new(Live::new(about, path));
        lives.insert(key, Arc::clone(&live));
        Some(live)
    }

    /// Known whatever there is: its recording is not stored yet.
    pub fn keep(&self, live: &Arc<Live>) {
        self.lock().insert((live.about.tenant, live.about.id), Arc::clone(live));
    }

    pub fn remove(&self, live: &Live) {
        self.lock().remove(&(live.about.tenant, live.about.id));
    }

    /// Forgets what nobody holds beside the caller: whoever comes next makes it anew.
    pub fn forget(&self, live: &Arc<Live>) {
        let mut lives = self.lock();
        // The table's and the caller's. Nobody gets another but under this lock.
        if Arc::strong_count(live) <= 2 {
            lives.remove(&(live.about.tenant, live.about.id));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn about(tenant: Uuid, requester: &str) -> About {
        About {
            tenant,
            id: Uuid::now_v7(),
            task: Uuid::nil(),
            endpoint: Uuid::nil(),
            endpoint_name: String::new(),
            requester_kind: "person".to_owned(),
            requester_id: requester.to_owned(),
            requester_name: String::new(),
            max_minutes: 1,
        }
    }

    #[test]
    fn nobody_takes_all_room() {
        let (table, one, other) = (Table::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let know = |of: &About, cause| table.know(of.clone(), PathBuf::new(), cause);
        let first = about(one, "a");
        for _ in 1..WAITED_FOR_OF_ONE {
            know(&about(one, "a"), Cause::Waited).unwrap();
        }
        know(&first, Cause::Waited).unwrap();
        assert!(know(&about(one, "a"), Cause::Waited).is_none());
        assert!(know(&first, Cause::Waited).is_some(), "what is known stays");
        for number in WAITED_FOR_OF_ONE..WAITED_FOR {
            know(&about(one, &number.to_string()), Cause::Waited).unwrap();
        }
        assert!(know(&about(one, "b"), Cause::Waited).is_none());
        for _ in WAITED_FOR..OF_TENANT {
            know(&about(one, "a"), Cause::Begun).unwrap();
        }
        assert!(know(&about(one, "b"), Cause::Begun).is_none());
        assert!(know(&about(other, "a"), Cause::Waited).is_some());
        // Held by the test, and by the table alone.
        let held = know(&first, Cause::Waited).unwrap();
        let twice = Arc::clone(&held);
        table.forget(&held);
        assert!(table.get(one, first.id).is_some());
        drop(twice);
        table.forget(&held);
        assert!(table.get(one, first.id).is_none() && know(&about(one, "b"), Cause::Begun).is_some());
    }
}
