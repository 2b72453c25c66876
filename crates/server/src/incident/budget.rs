//! How much of chains an endpoint may hand in. It outlives sessions: who connects again has no new budget.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

/// Bytes per second, and how many may come at once: one chain as large as they get, with room beside it.
const BYTES: (i64, i64) = (64 << 10, 64 << 20);
/// What an update counts for beside its bytes, however small it is.
pub(crate) const UPDATE: usize = 2 << 10;
/// What counts for each row of a chain that is looked at because something was detected, or done that tells chains apart.
pub(crate) const ROW: usize = 32;
/// Endpoints that are remembered. Beyond, those whose budget is full again are forgotten.
const REMEMBERED: usize = 50_000;

/// How long an endpoint waits where too many others have spent of theirs.
const CROWDED: Duration = Duration::from_secs(30);

/// When each endpoint's budget is full again, microseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Budgets(Mutex<HashMap<Uuid, i64>>);

impl Budgets {
    /// Takes off an endpoint's budget what was done for it already, whether there was room for that or not.
    pub fn charge(&self, endpoint: Uuid, bytes: usize, now_us: i64) {
        let mut full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full.len() < REMEMBERED || full.contains_key(&endpoint) {
            let full_us = full.entry(endpoint).or_insert(now_us);
            *full_us = (*full_us).max(now_us).saturating_add(cost_us(bytes));
        }
    }

    /// Takes so many bytes off an endpoint's budget, or says how long it takes until there is room for them.
    pub fn spend(&self, endpoint: Uuid, bytes: usize, now_us: i64) -> Result<(), Duration> {
        let mut full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full.len() >= REMEMBERED && !full.contains_key(&endpoint) {
            full.retain(|_, full_us| *full_us > now_us);
            if full.len() >= REMEMBERED {
                return Err(CROWDED);
            }
        }
        let full_us = full.entry(endpoint).or_insert(now_us);
        let after = (*full_us).max(now_us).saturating_add(cost_us(bytes));
        let over_us = after - now_us - BYTES.1.saturating_mul(1_000_000) / BYTES.0;
        if over_us > 0 {
            return Err(Duration::from_micros(over_us.unsigned_abs()));
        }
        *full_us = after;
        Ok(())
    }
}

/// How long it takes until there is room for so many bytes again.
fn cost_us(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX).saturating_mul(1_000_000) / BYTES.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_chain_passes_and_a_flood_does_not() {
        let (budgets, one, other) = (Budgets::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let piece = 512 << 10;
        let taken = (0..200).filter(|_| budgets.spend(one, piece, 1).is_ok()).count();
        assert_eq!(taken, 128, "64 MiB in pieces of half a MiB");
        assert!(budgets.spend(other, piece, 1).is_ok(), "one endpoint takes nothing from another");
        assert_eq!(budgets.spend(one, piece, 1_000_001), Err(Duration::from_secs(7)));
        assert!(budgets.spend(one, piece, 8_000_001).is_ok(), "there is room for one more");
        budgets.charge(one, 2 * piece, 8_000_001);
        assert_eq!(budgets.spend(one, 0, 8_000_001), Err(Duration::from_secs(16)), "what was done counts");
    }
}
