//! How long things gather before they are handed on: little while little happens, so that what is judged is still there; more
//! while much does, so that judging it costs little.

/// Nanoseconds.
const QUICK: i64 = 3_000_000;
const SLOW: i64 = 20_000_000;
/// Quick turns that a second brings, and that can be saved up.
const TURNS: u64 = 50;
const SECOND: u64 = 1_000_000_000;

/// Quick turns that are left, as the time in which they come back.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the last of them will be back.
    spent_until: u64,
}

impl Pace {
    /// For how long to let things gather now. Nanoseconds.
    pub fn moment(&mut self, now: u64) -> i64 {
        let begins = self.spent_until.max(now);
        if begins - now > SECOND - SECOND / TURNS {
            return SLOW;
        }
        self.spent_until = begins + SECOND / TURNS;
        QUICK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_so_many_quick_turns() {
        let mut pace = Pace::default();
        let now = 7 * SECOND;
        let quick = |pace: &mut Pace, at| (0..1000).filter(|_| pace.moment(at) == QUICK).count() as u64;
        assert_eq!(quick(&mut pace, now), TURNS);
        assert_eq!(quick(&mut pace, now + SECOND / 10), TURNS / 10);
        assert_eq!(quick(&mut pace, now + 10 * SECOND), TURNS);
    }
}
