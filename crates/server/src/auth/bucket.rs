//! A token bucket per address against guessing keys, and the memory of keys that were good.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use quell_store::Micros;
use quell_store::api_key::ApiKey;
use quell_wire::digest::Digest;

/// Failures that an address may have at once.
const BURST: f64 = 20.0;
/// Failures that it earns back, per second.
const PER_SECOND: f64 = 1.0;
/// Addresses remembered. Beyond that, all new ones share one bucket.
const ADDRESSES: usize = 16_384;
/// Least time between two looks through all buckets, microseconds.
const SWEEP: Micros = 1_000_000;
/// Good keys remembered.
const KEYS: usize = 4_096;
/// How long what the database said of a key is believed, microseconds. This process forgets a key that it revokes at
/// once; one that another process revoked is refused after this.
const BELIEVED: Micros = 1_000_000;

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Micros,
}

impl Bucket {
    fn now(self, now: Micros) -> Self {
        let earned = (now - self.at).max(0) as f64 / 1e6 * PER_SECOND;
        Self { left: (self.left + earned).min(BURST), at: now }
    }
}

/// The buckets, and when full ones were last thrown out.
#[derive(Default)]
struct Shelf {
    buckets: HashMap<IpAddr, Bucket>,
    swept_at: Micros,
}

/// Failed tries by address.
#[derive(Default)]
pub struct Guesses {
    shelf: Mutex<Shelf>,
    good: Mutex<HashMap<Digest, Good>>,
}

/// A key that was good, and when the database said so. `None` once that is not to be believed any more.
struct Good {
    row: Option<ApiKey>,
    at: Micros,
}

impl Guesses {
    /// Whether the address may try a key that is not known to be good.
    pub fn allows(&self, address: IpAddr, now: Micros) -> bool {
        let shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let others = || shelf.buckets.get(&OTHERS).filter(|_| shelf.buckets.len() >= ADDRESSES);
        let bucket = shelf.buckets.get(&network(address)).or_else(others);
        bucket.is_none_or(|bucket| bucket.now(now).left >= 1.0)
    }

    /// A try failed.
    pub fn failed(&self, address: IpAddr, now: Micros) {
        let mut shelf = self.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let mut address = network(address);
        if shelf.buckets.len() >= ADDRESSES && !shelf.buckets.contains_key(&address) {
            // Looking through all of them for each of a million addresses would itself be a way to stop the server.
            if now - shelf.swept_at >= SWEEP {
                shelf.swept_at = now;
                shelf.buckets.retain(|_, bucket| bucket.now(now).left < BURST);
            }
            if shelf.buckets.len() >= ADDRESSES {
                address = OTHERS;
            }
        }
        let bucket = shelf.buckets.entry(address).or_insert(Bucket { left: BURST, at: now });
        *bucket = bucket.now(now);
        bucket.left = (bucket.left - 1.0).max(0.0);
    }

    /// The database said that a key is good: it is spared the bucket of its address from now on, and another look into
    /// the database for a moment.
    pub fn succeeded(&self, hash: Digest, row: ApiKey, now: Micros) {
        let mut good = self.good();
        if good.len() >= KEYS && !good.contains_key(&hash) {
            good.clear();
        }
        good.insert(hash, Good { row: Some(row), at: now });
    }

    /// Whether the key was good before.
    pub fn is_known_good(&self, hash: &Digest) -> bool {
        self.good().contains_key(hash)
    }

    /// What the database said of a key a moment ago.
    pub fn recent(&self, hash: &Digest, now: Micros) -> Option<ApiKey> {
        let good = self.good();
        let known = good.get(hash).filter(|known| (known.at..known.at + BELIEVED).contains(&now))?;
        known.row.clone()
    }

    /// A key was revoked: the database is asked again for each.
    pub fn doubt(&self) {
        self.good().values_mut().for_each(|known| known.row = None);
    }

    fn good(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Good>> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// One bucket for a whole IPv6 /64, which one machine usually has to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn an_address_runs_dry_and_recovers() {
        let guesses = Guesses::default();
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        for _ in 0..20 {
            assert!(guesses.allows(address, 0));
            guesses.failed(address, 0);
        }
        assert!(!guesses.allows(address, 0));
        assert!(guesses.allows(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 0));
        assert!(guesses.allows(address, 1_000_000));
    }

    #[test]
    fn a_good_key_is_believed_for_a_moment() {
        let guesses = Guesses::default();
        let row = ApiKey {
            tenant_id: uuid::Uuid::nil(),
            id: uuid::Uuid::nil(),
            name: "ops".to_owned(),
            prefix: "qk_a".to_owned(),
            hash: [7; 32],
            role: "admin".to_owned(),
            created_at: 0,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        };
        guesses.succeeded([7; 32], row, 10);
        assert!(guesses.recent(&[7; 32], 9).is_none(), "a clock that went back is no reason to believe");
        assert!(guesses.recent(&[7; 32], 1_000_009).is_some());
        assert!(guesses.recent(&[7; 32], 1_000_010).is_none());
        guesses.doubt();
        assert!(guesses.recent(&[7; 32], 11).is_none());
        assert!(guesses.is_known_good(&[7; 32]) && !guesses.is_known_good(&[8; 32]));
    }

    #[test]
    fn a_million_addresses_cost_no_more_than_some() {
        let guesses = Guesses::default();
        for number in 0..40_000_u32 {
            guesses.failed(IpAddr::V4(Ipv4Addr::from_bits(number)), 0);
        }
        assert!(guesses.shelf.lock().is_ok_and(|shelf| shelf.buckets.len() <= ADDRESSES + 1));
    }
}
