//! How many records a key may hand in: a product that goes wild must not fill the database, nor keep others from writing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use quell_store::Micros;
use uuid::Uuid;

use crate::problem::{Code, Problem};

/// Records of one key in a minute, and as many at once.
const RECORDS: u64 = 60_000;
/// A minute, microseconds.
const MINUTE: Micros = 60 * 1_000_000;
/// What a request counts for beside its records.
const REQUEST: u64 = 10;
/// Keys that are remembered. Beyond, those that may hand in as much as anybody are forgotten.
const KEYS: usize = 10_000;

/// When each key may hand in as many records as at first, microseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<HashMap<Uuid, Micros>>);

impl Pace {
    /// Whether a key may hand in anything now: asked before its body is read.
    pub fn allow(&self, key: Uuid, now: Micros) -> Result<(), Problem> {
        self.take(key, REQUEST, now)
    }

    /// Takes so many records off what a key may hand in; refused where that is more than is left.
    pub fn spend(&self, key: Uuid, records: u64, now: Micros) -> Result<(), Problem> {
        self.take(key, records, now)
    }

    fn take(&self, key: Uuid, records: u64, now: Micros) -> Result<(), Problem> {
        let mut full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full.len() >= KEYS && !full.contains_key(&key) {
            full.retain(|_, full_at| *full_at > now);
            if full.len() >= KEYS {
                return Err(refused(30));
            }
        }
        let cost = i64::try_from(records.min(RECORDS) * MINUTE.unsigned_abs() / RECORDS).unwrap_or(MINUTE);
        let full_at = full.entry(key).or_insert(now);
        let after = (*full_at).max(now) + cost;
        let over = after - now - MINUTE;
        if over > 0 {
            return Err(refused(u32::try_from(over / 1_000_000).unwrap_or(60) + 1));
        }
        *full_at = after;
        Ok(())
    }
}

fn refused(seconds: u32) -> Problem {
    Problem::new(Code::TooManyRequests, format!("more than {RECORDS} records a minute came with this key"))
        .hint("Send less at a time, or what matters alone; a record that comes again counts once.")
        .retry_after(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_hands_in_so_many_records_a_minute_and_takes_nothing_from_another() {
        let (pace, one, other) = (Pace::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let taken = (0..20).filter(|_| pace.spend(one, 10_000, 1).is_ok()).count();
        assert_eq!(taken, 6, "{RECORDS} at once");
        assert!(pace.allow(one, 1).is_err(), "not even a request");
        assert!(pace.spend(other, 10_000, 1).is_ok());
        assert!(pace.spend(one, 10_000, 9_000_001).is_err());
        assert!(pace.spend(one, 10_000, 10_000_001).is_ok(), "a sixth of a minute later, a sixth of them");
        assert!(pace.spend(one, u64::MAX, 70_000_001).is_ok(), "no request is refused for ever");
    }
}
