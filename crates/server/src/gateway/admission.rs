//! Who may open a connection at all: strangers are counted by address, known agents by identity.
//!
//! A stranger costs a handshake and is bounded per address and in total. Once a connection has shown a
//! certificate of ours it leaves those counts, so that ten thousand agents behind one address do not
//! exclude each other; from then on each identity is bounded by itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// Counts of what is open.
#[derive(Debug)]
pub struct Admission {
    strangers: Arc<Semaphore>,
    by_address: Counts<IpAddr>,
    by_identity: Counts<Uuid>,
}

/// A stranger's place. Given back when dropped.
#[derive(Debug)]
pub struct StrangerPlace {
    _total: OwnedSemaphorePermit,
    _address: Place<IpAddr>,
}

/// A known agent's place. Given back when dropped.
pub type AgentPlace = Place<Uuid>;

impl Admission {
    /// Bounds: strangers in all, strangers of one address, connections of one identity.
    pub fn new(strangers: usize, per_address: u32, per_identity: u32) -> Self {
        Self {
            strangers: Arc::new(Semaphore::new(strangers)),
            by_address: Counts::new(per_address),
            by_identity: Counts::new(per_identity),
        }
    }

    /// Waits until another stranger may come in. Whoever comes meanwhile waits in the kernel's queue, which
    /// costs us nothing.
    pub async fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.strangers).acquire_owned().await.ok()
    }

    /// A place for a stranger of this address; `None` where the address has too many.
    pub fn stranger(&self, total: OwnedSemaphorePermit, address: IpAddr) -> Option<StrangerPlace> {
        Some(StrangerPlace { _total: total, _address: self.by_address.enter(network(address))? })
    }

    /// A place for a connection of this identity; `None` where it has too many.
    pub fn agent(&self, endpoint: Uuid) -> Option<AgentPlace> {
        self.by_identity.enter(endpoint)
    }
}

/// What counts as one address: an IPv4 address, or the /64 that a single IPv6 host may choose from at will.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[derive(Debug)]
struct Counts<K> {
    most: u32,
    open: Arc<Mutex<HashMap<K, u32>>>,
}

/// One of the counted. Given back when dropped.
#[derive(Debug)]
pub struct Place<K: Eq + Hash + Copy> {
    key: K,
    open: Arc<Mutex<HashMap<K, u32>>>,
}

impl<K: Eq + Hash + Copy> Counts<K> {
    fn new(most: u32) -> Self {
        Self { most, open: Arc::default() }
    }

    fn enter(&self, key: K) -> Option<Place<K>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { key, open: Arc::clone(&self.open) })
    }
}

impl<K: Eq + Hash + Copy> Drop for Place<K> {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn an_address_is_bounded_and_gives_back() {
        let admission = Admission::new(10, 2, 1);
        let here: IpAddr = "192.0.2.1".parse().unwrap();
        let first = admission.stranger(admission.room().await.unwrap(), here).unwrap();
        let _second = admission.stranger(admission.room().await.unwrap(), here).unwrap();
        assert!(admission.stranger(admission.room().await.unwrap(), here).is_none());
        let there: IpAddr = "192.0.2.2".parse().unwrap();
        assert!(admission.stranger(admission.room().await.unwrap(), there).is_some());
        drop(first);
        assert!(admission.stranger(admission.room().await.unwrap(), here).is_some());
    }

    #[test]
    fn one_host_cannot_be_many_addresses() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn an_identity_is_bounded() {
        let admission = Admission::new(1, 1, 1);
        let place = admission.agent(Uuid::nil()).unwrap();
        assert!(admission.agent(Uuid::nil()).is_none());
        drop(place);
        assert!(admission.agent(Uuid::nil()).is_some());
    }
}
