//! How long to wait before the next try: exponential, bounded, and spread so that many agents do not come at once.

use std::time::Duration;

use crate::random;

/// First wait at most this long.
const FIRST: Duration = Duration::from_millis(500);
/// No wait is longer than this, whatever the server says.
const LONGEST: Duration = Duration::from_mins(5);
/// About the longest wait while an event waits to be told.
const NEWS: Duration = Duration::from_secs(5);
/// A wait that the server asked for is spread over this many times its length.
const SPREAD: u32 = 2;

/// Counts failures in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// A session stood: begin anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure: a random part of an exponentially growing span (full jitter, at
    /// least a tenth of it, so that a closed port is not hammered).
    pub fn after_failure(&mut self) -> Duration {
        let span = FIRST.saturating_mul(1 << self.failures.min(20)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let least = span / 10;
        least + jitter(span.saturating_sub(least))
    }

    /// The same, but not long: something has happened that the server should know.
    pub fn after_failure_with_news(&mut self) -> Duration {
        let wait = self.after_failure();
        if wait > NEWS { NEWS + jitter(NEWS) } else { wait }
    }

    /// The wait that the server asked for, spread.
    pub fn asked(&mut self, seconds: u32) -> Duration {
        let asked = Duration::from_secs(u64::from(seconds)).min(LONGEST);
        asked + jitter(asked * (SPREAD - 1))
    }
}

fn jitter(span: Duration) -> Duration {
    Duration::from_micros(random::below(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_are_spread_and_are_bounded() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..40).map(|_| backoff.after_failure()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 10);
        assert!(waits.iter().all(|wait| *wait <= LONGEST));
        assert!(waits[20..].iter().all(|wait| *wait >= LONGEST / 10));
        assert!(waits[20..].windows(2).any(|pair| pair[0] != pair[1]), "spread");
        backoff.reset();
        assert!(backoff.after_failure() <= FIRST);
    }

    #[test]
    fn the_servers_wish_is_honoured_within_bounds() {
        let mut backoff = Backoff::default();
        let wait = backoff.asked(10);
        assert!(wait >= Duration::from_secs(10) && wait <= Duration::from_secs(20));
        assert!(backoff.asked(u32::MAX) <= LONGEST * SPREAD);
    }
}
