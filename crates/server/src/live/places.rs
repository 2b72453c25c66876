//! Places of live streams: bounded for all, for each tenant, and for each person or key, so that nobody takes them from
//! the others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// Streams of all watchers together.
const ALL: usize = 512;
/// Those of one tenant.
const OF_TENANT: usize = ALL / 2;
/// Those of one person or key.
const OF_ONE: usize = 16;

/// The places, and who has them.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    tenants: HashMap<Uuid, usize>,
    watchers: HashMap<Uuid, usize>,
}

/// Which places are all taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    /// Those of the person or key.
    #[error("you have {OF_ONE} live streams open, as many as one may")]
    OfOne,
    /// Those of the tenant.
    #[error("the tenant has {OF_TENANT} live streams open, as many as one may")]
    OfTenant,
    /// All.
    #[error("too many live streams are open")]
    All,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    tenant: Uuid,
    watcher: Uuid,
}

impl Places {
    /// Takes a place for the person or key `watcher` in a tenant.
    pub(super) fn take(self: &Arc<Self>, tenant: Uuid, watcher: Uuid) -> Result<Place, Full> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.watchers.get(&watcher).is_some_and(|count| *count >= OF_ONE) {
            return Err(Full::OfOne);
        }
        if taken.tenants.get(&tenant).is_some_and(|count| *count >= OF_TENANT) {
            return Err(Full::OfTenant);
        }
        if taken.all >= ALL {
            return Err(Full::All);
        }
        taken.all += 1;
        *taken.tenants.entry(tenant).or_default() += 1;
        *taken.watchers.entry(watcher).or_default() += 1;
        drop(taken);
        Ok(Place { places: Arc::clone(self), tenant, watcher })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        one_less(&mut taken.tenants, self.tenant);
        one_less(&mut taken.watchers, self.watcher);
    }
}

fn one_less<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    match counts.get_mut(&key) {
        Some(count) if *count > 1 => *count -= 1,
        Some(_) => drop(counts.remove(&key)),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn nobody_takes_all_places() {
        let places = Arc::new(Places::default());
        let id = |number: usize| Uuid::from_u128(number as u128);
        let (one, other) = (id(1), id(2));
        let mut kept: Vec<Place> = (0..OF_ONE).map(|_| places.take(one, id(100)).unwrap()).collect();
        assert_eq!(places.take(one, id(100)).unwrap_err(), Full::OfOne);
        // A place that was left is free again.
        drop(kept.pop());
        kept.push(places.take(one, id(100)).unwrap());
        assert_eq!(places.take(other, id(100)).unwrap_err(), Full::OfOne, "in another tenant too");
        kept.extend((OF_ONE..OF_TENANT).map(|number| places.take(one, id(1000 + number)).unwrap()));
        assert_eq!(places.take(one, id(101)).unwrap_err(), Full::OfTenant);
        kept.extend((OF_TENANT..ALL).map(|number| places.take(other, id(2000 + number)).unwrap()));
        assert_eq!(places.take(id(3), id(102)).unwrap_err(), Full::All);
        drop(kept);
        let taken = places.0.lock().unwrap();
        assert!(taken.all == 0 && taken.tenants.is_empty() && taken.watchers.is_empty(), "{taken:?}");
    }
}
