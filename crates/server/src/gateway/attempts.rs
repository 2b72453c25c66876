//! Failed enrolments per address: a stranger may guess a few times a minute, and many addresses cost bounded memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::admission::network;

/// Failures that an address may have at once.
const BURST: f64 = 20.0;
/// Failures that it may have again, per second.
const REFILL: f64 = 10.0 / 60.0;
/// Addresses that are remembered. Beyond it those that failed least are forgotten.
const MOST: usize = 10_000;

/// Who failed how often. An address that never failed is not in here.
#[derive(Debug, Default)]
pub struct Attempts {
    failed: Mutex<HashMap<IpAddr, (f64, i64)>>,
}

impl Attempts {
    /// Seconds to wait where this address has failed too often; `None` where it may try.
    pub fn wait(&self, address: IpAddr, now_us: i64) -> Option<u32> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let left = failed.get(&network(address)).map(|entry| debt(*entry, now_us)).unwrap_or_default();
        (left >= BURST).then(|| ((left - BURST + 1.0) / REFILL).ceil() as u32)
    }

    /// Notes a failure.
    pub fn failed(&self, address: IpAddr, now_us: i64) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= MOST {
            failed.retain(|_, entry| debt(*entry, now_us) > 1.0);
        }
        if failed.len() >= MOST {
            failed.clear();
        }
        let entry = failed.entry(network(address)).or_insert((0.0, now_us));
        *entry = (debt(*entry, now_us) + 1.0, now_us);
    }
}

fn debt((failures, at_us): (f64, i64), now_us: i64) -> f64 {
    let seconds = now_us.saturating_sub(at_us).max(0) as f64 / 1e6;
    (failures - seconds * REFILL).max(0.0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn guessing_is_slowed_down_and_forgiven() {
        let attempts = Attempts::default();
        let (here, there) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..20 {
            assert_eq!(attempts.wait(here, 0), None);
            attempts.failed(here, 0);
        }
        let wait = attempts.wait(here, 0).unwrap();
        assert_eq!(attempts.wait(there, 0), None);
        assert_eq!(attempts.wait(here, i64::from(wait) * 1_000_000), None);
    }
}
