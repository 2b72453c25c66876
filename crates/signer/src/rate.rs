//! How many orders are signed in a minute: in total, and for one tenant.

use std::collections::HashMap;
use std::time::Duration;

use crate::policy::Policy;

const MINUTE_US: f64 = 60_000_000.0;
/// Tenants that are remembered; ids come from the server, which may make them up.
const TENANTS: usize = 10_000;

/// A bucket of a minute's orders, which fills evenly.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    seen_us: i64,
}

impl Bucket {
    fn full(per_minute: u32, now_us: i64) -> Self {
        Self { left: f64::from(per_minute), seen_us: now_us }
    }

    fn fill(&mut self, per_minute: u32, now_us: i64) {
        // A clock that was set back fills nothing.
        let passed = now_us.saturating_sub(self.seen_us).max(0) as f64;
        let most = f64::from(per_minute);
        self.left = (self.left + passed * most / MINUTE_US).min(most);
        self.seen_us = now_us;
    }

    /// How long until there is one.
    fn wait(&self, per_minute: u32) -> Option<Duration> {
        if self.left >= 1.0 {
            return None;
        }
        let us = (1.0 - self.left) * MINUTE_US / f64::from(per_minute.max(1));
        Some(Duration::from_micros(us.ceil() as u64).max(Duration::from_millis(1)))
    }
}

/// What was signed lately.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    total: Option<Bucket>,
    tenants: HashMap<String, Bucket>,
}

impl Rate {
    /// Takes one order's place.
    ///
    /// # Errors
    /// When there is none: how long until there is. Nothing is taken then.
    pub(crate) fn take(&mut self, policy: &Policy, tenant: &str, now_us: i64) -> Result<(), Duration> {
        let mut total = policy.orders_per_minute.map(|rate| {
            let bucket = self.total.get_or_insert_with(|| Bucket::full(rate, now_us));
            bucket.fill(rate, now_us);
            (bucket, rate)
        });
        let mut own = policy.orders_per_minute_per_tenant.map(|rate| {
            if self.tenants.len() >= TENANTS && !self.tenants.contains_key(tenant) {
                // Whoever used nothing for a minute is full again: nothing is lost with them.
                self.tenants.retain(|_, bucket| now_us.saturating_sub(bucket.seen_us) < MINUTE_US as i64);
            }
            let bucket = self.tenants.entry(tenant.to_owned()).or_insert_with(|| Bucket::full(rate, now_us));
            bucket.fill(rate, now_us);
            (bucket, rate)
        });
        let wait = [&total, &own].into_iter().flatten().filter_map(|(bucket, rate)| bucket.wait(*rate)).max();
        if let Some(wait) = wait {
            return Err(wait);
        }
        for (bucket, _) in [&mut total, &mut own].into_iter().flatten() {
            bucket.left -= 1.0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_minute_holds_so_many_and_fills_evenly() {
        let policy = Policy { orders_per_minute: Some(60), ..Policy::default() };
        let mut rate = Rate::default();
        assert!((0..60).all(|_| rate.take(&policy, "a", SECOND).is_ok()));
        let wait = rate.take(&policy, "a", SECOND).err().unwrap_or_default();
        assert_eq!(wait, Duration::from_secs(1));
        assert!(rate.take(&policy, "a", 2 * SECOND).is_ok());
        assert!(rate.take(&policy, "a", 2 * SECOND).is_err());
        assert!(rate.take(&policy, "a", 0).is_err(), "a clock that was set back");
        assert_eq!((0..1000).filter(|_| rate.take(&policy, "a", 1000 * SECOND).is_ok()).count(), 60);
    }

    #[test]
    fn one_tenant_does_not_use_up_another() {
        let policy =
            Policy { orders_per_minute_per_tenant: Some(1), orders_per_minute: Some(2), ..Policy::default() };
        let mut rate = Rate::default();
        assert!(rate.take(&policy, "a", 0).is_ok());
        assert!(rate.take(&policy, "a", 0).is_err());
        assert!(rate.take(&policy, "b", 0).is_ok(), "what was refused took nothing of the total");
        assert!(rate.take(&policy, "c", 0).is_err(), "the total");
    }

    #[test]
    fn tenants_that_are_made_up_do_not_fill_the_memory() {
        let policy = Policy { orders_per_minute_per_tenant: Some(1), ..Policy::default() };
        let mut rate = Rate::default();
        for number in 0..3 * TENANTS as i64 {
            assert!(rate.take(&policy, &number.to_string(), number * SECOND).is_ok());
        }
        assert!(rate.tenants.len() <= TENANTS);
    }
}
