//! From nanoseconds since boot to the time of day.
//!
//! The kernel tells when something happened by a clock that nobody sets. What the time of day was then is worked out from the
//! difference of the two clocks, taken anew once a second: a clock that is set, however far, moves what comes after it and
//! nothing else, and never the order of events.

use rustix::time::{ClockId, clock_gettime};

use crate::clock::Clock;

/// How long a difference counts. Nanoseconds.
const COUNTS: u64 = 1_000_000_000;

/// The difference of the two clocks.
#[derive(Debug)]
pub struct Times {
    clock: Clock,
    /// What is added to microseconds since boot.
    offset_us: i64,
    /// When it was taken, since boot.
    taken: Option<u64>,
}

/// Nanoseconds since boot, time of sleep included.
pub fn since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    (now.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(now.tv_nsec as u64)
}

impl Times {
    pub fn new(clock: Clock) -> Self {
        Self { clock, offset_us: 0, taken: None }
    }

    /// Takes the difference where the last one is too old. `now`: since boot.
    pub fn look(&mut self, now: u64) {
        if self.taken.is_none_or(|taken| now.saturating_sub(taken) >= COUNTS) {
            self.offset_us = self.clock.now_us().saturating_sub(micros(now));
            self.taken = Some(now);
        }
    }

    /// Microseconds since 1970, never before.
    pub fn wall_us(&self, at: u64) -> i64 {
        micros(at).saturating_add(self.offset_us).max(0)
    }

    /// The same the other way round: nanoseconds since boot, 0 of what was before.
    pub fn boot(&self, wall_us: i64) -> u64 {
        u64::try_from(wall_us.saturating_sub(self.offset_us)).unwrap_or(0).saturating_mul(1000)
    }

    pub fn now_us(&self) -> i64 {
        self.clock.now_us().max(0)
    }
}

fn micros(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    #[test]
    fn a_clock_that_is_set_moves_what_comes_after_it() {
        let wall = Arc::new(AtomicI64::new(1_000_000_000));
        let read = wall.clone();
        let mut times = Times::new(Clock::from_fn(move || read.load(Ordering::Relaxed)));
        times.look(5_000_000_000);
        assert_eq!(times.wall_us(5_000_000_000), 1_000_000_000);
        assert_eq!(times.wall_us(4_000_000_000), 999_000_000);
        wall.store(0, Ordering::Relaxed);
        times.look(5_500_000_000);
        assert_eq!(times.wall_us(5_500_000_000), 1_000_500_000, "the difference still counts");
        times.look(6_000_000_000);
        assert_eq!(times.wall_us(6_000_000_000), 0);
        assert_eq!(times.wall_us(1), 0, "never before 1970");
    }
}
