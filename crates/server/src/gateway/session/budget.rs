//! How much one agent may say. Beyond it the server reads more slowly, so that the agent has to wait; it is not
//! cut off, since after an outage it may have much to tell.

use std::time::Duration;

/// Frames per second, and how many may come at once.
const FRAMES: (u64, u64) = (500, 4_000);
/// Bytes per second, and how many may come at once.
const BYTES: (u64, u64) = (2 << 20, 8 << 20);

/// Audit records that an agent may cause by itself, per second, and how many at once.
const NOTES: (u64, u64) = (1, 60);

/// What is left: when each bucket is full again, microseconds since 1970. Three numbers, no timer.
#[derive(Debug)]
pub struct Budget {
    frames: i64,
    bytes: i64,
    notes: i64,
}

impl Budget {
    /// A full budget.
    pub fn new() -> Self {
        Self { frames: 0, bytes: 0, notes: 0 }
    }

    /// Takes a frame off; answers how long to wait before the next one is read.
    pub fn spend(&mut self, bytes: usize, now_us: i64) -> Option<Duration> {
        let frames_wait = spend(&mut self.frames, 1, FRAMES, now_us);
        let bytes_wait = spend(&mut self.bytes, bytes as u64, BYTES, now_us);
        frames_wait.max(bytes_wait)
    }

    /// Whether one more thing that no order asked for may be written down.
    pub fn may_note(&mut self, now_us: i64) -> bool {
        // What is refused costs nothing, or a flood would be silenced for ever.
        let has_room = self.notes.saturating_sub(now_us) < burst_us(NOTES);
        has_room && spend(&mut self.notes, 1, NOTES, now_us).is_none()
    }
}

/// The moment at which the bucket is full again says all that there is to say of it.
fn spend(full_us: &mut i64, amount: u64, rate: (u64, u64), now_us: i64) -> Option<Duration> {
    let cost_us = (amount.saturating_mul(1_000_000) / rate.0) as i64;
    *full_us = (*full_us).max(now_us).saturating_add(cost_us);
    let over = *full_us - now_us - burst_us(rate);
    (over > 0).then(|| Duration::from_micros(over as u64))
}

fn burst_us((rate, burst): (u64, u64)) -> i64 {
    (burst.saturating_mul(1_000_000) / rate) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_a_flood_waits() {
        let mut budget = Budget::new();
        for _ in 0..FRAMES.1 {
            assert_eq!(budget.spend(10, 1_000_000), None);
        }
        assert!(budget.spend(10, 1_000_000).is_some());
        assert_eq!(budget.spend(10, 2_000_000), None, "a second later there is room again");
        let mut budget = Budget::new();
        assert_eq!(budget.spend(1 << 20, 0), None);
        assert!((0..20).any(|_| budget.spend(1 << 20, 0).is_some()));
    }
}
