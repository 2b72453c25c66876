//! By which time what is kept grows old.
//!
//! Age is told by the time of day, since the ring outlives boots. A clock that is set ahead would then make everything old at
//! once: what it says counts here only when it has said so for a day. One that is set back counts at once, and loses nothing.

/// Ahead by no more than this is no jump. Microseconds.
const SLACK: i64 = 600 * 1_000_000;
/// For how long a clock must have been ahead. Nanoseconds.
const STOOD: u64 = 24 * 3600 * 1_000_000_000;

/// What the clock is taken for.
#[derive(Debug, Default)]
pub struct Age {
    /// What is added to the time since boot, as far as it is believed. Microseconds.
    offset: Option<i64>,
    /// Another one, and since when it was seen.
    ahead: Option<(i64, u64)>,
}

impl Age {
    /// The time of day that counts. `wall_us`: what the clock says; `boot`: nanoseconds since boot.
    pub fn now_us(&mut self, wall_us: i64, boot: u64) -> i64 {
        let up = i64::try_from(boot / 1000).unwrap_or(i64::MAX);
        let offset = wall_us.saturating_sub(up);
        let known = *self.offset.get_or_insert(offset);
        let is_ahead = offset.saturating_sub(known) > SLACK;
        let since = match self.ahead {
            Some((other, since)) if offset.abs_diff(other) <= SLACK.unsigned_abs() => since,
            _ => boot,
        };
        self.ahead = is_ahead.then_some((offset, since));
        if !is_ahead || boot.saturating_sub(since) >= STOOD {
            (self.offset, self.ahead) = (Some(offset), None);
        }
        self.offset.unwrap_or(offset).saturating_add(up)
    }
}

/// Rows that are younger than now by more than this were made by a clock that was ahead. Microseconds.
pub const FUTURE: i64 = SLACK;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * 1_000_000_000;
    const HOUR_US: i64 = 3600 * 1_000_000;
    const YEAR_US: i64 = 365 * 24 * HOUR_US;

    #[test]
    fn a_clock_that_is_ahead_counts_when_it_has_been_for_a_day() {
        let mut age = Age::default();
        let begun = 50 * YEAR_US;
        assert_eq!(age.now_us(begun, HOUR), begun);
        // Ten years ahead for some hours, and back.
        assert_eq!(age.now_us(begun + 10 * YEAR_US, HOUR), begun);
        assert_eq!(age.now_us(begun + 10 * YEAR_US + 5 * HOUR_US, 6 * HOUR), begun + 5 * HOUR_US);
        assert_eq!(age.now_us(begun + 6 * HOUR_US, 7 * HOUR), begun + 6 * HOUR_US);
        // Ahead again: the hours before do not count.
        assert_eq!(age.now_us(begun + YEAR_US + 7 * HOUR_US, 8 * HOUR), begun + 7 * HOUR_US);
        assert_eq!(age.now_us(begun + YEAR_US + 30 * HOUR_US, 31 * HOUR), begun + 30 * HOUR_US);
        assert_eq!(age.now_us(begun + YEAR_US + 31 * HOUR_US, 32 * HOUR), begun + YEAR_US + 31 * HOUR_US);
    }

    #[test]
    fn a_clock_that_is_set_back_or_goes_a_little_wrong_counts_at_once() {
        let mut age = Age::default();
        assert_eq!(age.now_us(50 * YEAR_US, HOUR), 50 * YEAR_US);
        assert_eq!(age.now_us(0, 2 * HOUR), 0);
        assert_eq!(age.now_us(HOUR_US + 5, 3 * HOUR), HOUR_US + 5);
    }
}
