//! A token bucket per address against guessing keys, and the memory of keys that were good.
//!
//! Where a bucket is dry, no try of its address reaches the database, but for keys that are good: those that were seen
//! before, and those on a list of all keys that is read once a second at most. So a guesser behind the same address
//! translation or proxy locks nobody out.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use quell_store::Micros;
use quell_wire::digest::Digest;

use super::Identity;

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
/// Digests of keys that are listed at most. Of more, some may have to wait until a guesser is done.
pub(super) const LISTED: i64 = 100_000;
/// Least time between two lists of the keys that there are, microseconds.
const LIST: Micros = 1_000_000;
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
    good: Mutex<Known>,
    list: Mutex<List>,
}

/// Keys that were good.
#[derive(Default)]
struct Known {
    keys: HashMap<Digest, Good>,
    /// Rises with each revocation.
    doubts: u64,
}

/// Digests of the keys that could be used when the database was last asked for all of them.
#[derive(Default)]
struct List {
    keys: HashSet<Digest>,
    asked_at: Option<Micros>,
}

/// When a look into the database began, so that what it brings is not believed over a revocation that came meanwhile.
#[derive(Clone, Copy)]
pub struct Look(u64);

/// A key that was good, and when the database said so. `None` once that is not to be believed any more.
struct Good {
    identity: Option<Arc<Identity>>,
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

    /// A try failed. The key is not spared the bucket any more, if it ever was: it may have ended.
    pub fn failed(&self, address: IpAddr, key: &Digest, now: Micros) {
        self.good().keys.remove(key);
        self.take(address, now);
    }

    /// A try of the address failed.
    pub fn take(&self, address: IpAddr, now: Micros) {
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

    /// A look into the database begins.
    pub fn look(&self) -> Look {
        Look(self.good().doubts)
    }

    /// The database said that a key is good: it is spared the bucket of its address from now on, and another look into
    /// the database for a moment.
    pub fn succeeded(&self, look: Look, hash: Digest, identity: Arc<Identity>, now: Micros) {
        let mut good = self.good();
        if good.doubts != look.0 {
            return;
        }
        if good.keys.len() >= KEYS && !good.keys.contains_key(&hash) {
            good.keys.clear();
        }
        good.keys.insert(hash, Good { identity: Some(identity), at: now });
    }

    /// Whether the key was good before.
    pub fn is_known_good(&self, hash: &Digest) -> bool {
        self.good().keys.contains_key(hash)
    }

    /// What the database said of a key a moment ago.
    pub fn recent(&self, hash: &Digest, now: Micros) -> Option<Arc<Identity>> {
        let good = self.good();
        let known = good.keys.get(hash).filter(|known| (known.at..known.at + BELIEVED).contains(&now))?;
        known.identity.clone().filter(|identity| identity.expires_at.is_none_or(|expires| expires > now))
    }

    /// A credential was revoked, or what somebody may do was changed: the database is asked again for each.
    pub fn doubt(&self) {
        let mut good = self.good();
        good.doubts += 1;
        good.keys.values_mut().for_each(|known| known.identity = None);
    }

    /// Whether it is time to list all keys again. `true` to one of those who ask at a time.
    pub fn may_list(&self, now: Micros) -> bool {
        let mut list = self.list();
        let is_due = list.asked_at.is_none_or(|at| !(at..at + LIST).contains(&now));
        if is_due {
            list.asked_at = Some(now);
        }
        is_due
    }

    /// All keys that may be used now.
    pub fn listed(&self, keys: HashSet<Digest>) {
        self.list().keys = keys;
    }

    /// Whether the key was among them.
    pub fn is_listed(&self, hash: &Digest) -> bool {
        self.list().keys.contains(hash)
    }

    fn list(&self) -> std::sync::MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn good(&self) -> std::sync::MutexGuard<'_, Known> {
        self.good.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// One bucket for a whole IPv6 /64, which one machine usually has to itself.
pub(super) fn network(address: IpAddr) -> IpAddr {
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
            guesses.failed(address, &[0; 32], 0);
        }
        assert!(!guesses.allows(address, 0));
        assert!(guesses.allows(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 0));
        assert!(guesses.allows(address, 1_000_000));
    }

    fn key() -> Arc<Identity> {
        Arc::new(Identity {
            tenant: uuid::Uuid::nil(),
            id: uuid::Uuid::nil(),
            principal: crate::auth::Principal::Key,
            human: uuid::Uuid::nil(),
            is_guest: false,
            name: "ops".to_owned(),
            access: Arc::default(),
            expires_at: Some(2_000_000),
        })
    }

    #[test]
    fn a_good_key_is_believed_for_a_moment() {
        let guesses = Guesses::default();
        guesses.succeeded(guesses.look(), [7; 32], key(), 10);
        assert!(guesses.recent(&[7; 32], 9).is_none(), "a clock that went back is no reason to believe");
        assert!(guesses.recent(&[7; 32], 1_000_009).is_some());
        assert!(guesses.recent(&[7; 32], 1_000_010).is_none());
        guesses.doubt();
        assert!(guesses.recent(&[7; 32], 11).is_none());
        assert!(guesses.is_known_good(&[7; 32]) && !guesses.is_known_good(&[8; 32]));
        guesses.failed(IpAddr::V4(Ipv4Addr::LOCALHOST), &[7; 32], 12);
        assert!(!guesses.is_known_good(&[7; 32]));
    }

    #[test]
    fn what_was_read_before_a_revocation_is_not_believed_after_it() {
        let guesses = Guesses::default();
        let look = guesses.look();
        guesses.doubt();
        guesses.succeeded(look, [7; 32], key(), 10);
        assert!(guesses.recent(&[7; 32], 11).is_none());
        assert!(!guesses.is_known_good(&[7; 32]));
    }

    #[test]
    fn all_keys_are_listed_once_a_second_however_many_ask() {
        let guesses = Guesses::default();
        assert!(guesses.may_list(10) && !guesses.may_list(10) && !guesses.may_list(1_000_009));
        assert!(guesses.may_list(1_000_010));
        assert!(guesses.may_list(9), "a clock that went back");
        guesses.listed(HashSet::from([[7; 32]]));
        assert!(guesses.is_listed(&[7; 32]) && !guesses.is_listed(&[8; 32]));
    }

    #[test]
    fn a_million_addresses_cost_no_more_than_some() {
        let guesses = Guesses::default();
        for number in 0..40_000_u32 {
            guesses.failed(IpAddr::V4(Ipv4Addr::from_bits(number)), &[0; 32], 0);
        }
        assert!(guesses.shelf.lock().is_ok_and(|shelf| shelf.buckets.len() <= ADDRESSES + 1));
    }
}
