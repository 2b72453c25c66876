//! The two clocks that name a process: ticks, as `/proc` has them, and nanoseconds, as the kernel has them.

use rustix::time::{ClockId, clock_gettime};

/// Between the kernel's nanoseconds and what this process sees of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Nanoseconds of a tick.
    tick: u64,
    /// What this process's time namespace adds to the time since boot (time_namespaces(7)). Nanoseconds.
    offset: i64,
}

impl Clock {
    pub fn own() -> Self {
        // SAFETY: asks for a constant; no pointers are involved.
        let hertz = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        let hertz = u64::try_from(hertz).unwrap_or(100).max(1);
        let offset = std::fs::read_to_string("/proc/self/timens_offsets").ok();
        Self { tick: 1_000_000_000 / hertz, offset: offset.and_then(|text| read(&text)).unwrap_or(0) }
    }

    /// What the kernel says, as this process would see it.
    pub fn seen(self, nanoseconds: u64) -> u64 {
        nanoseconds.saturating_add_signed(self.offset)
    }

    /// Field 22 of `/proc/PID/stat`, from what the kernel says.
    pub fn ticks(self, nanoseconds: u64) -> u64 {
        self.seen(nanoseconds) / self.tick
    }

    /// The beginning of a tick. Nanoseconds.
    pub fn nanoseconds(self, ticks: u64) -> u64 {
        ticks.saturating_mul(self.tick)
    }

    /// Nanoseconds since boot.
    pub fn now() -> u64 {
        let now = clock_gettime(ClockId::Boottime);
        (now.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(now.tv_nsec as u64)
    }
}

/// `boottime           86400         0`
fn read(text: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix("boottime"))?;
    let mut words = line.split_ascii_whitespace().map(str::parse::<i64>);
    let (seconds, nanoseconds) = (words.next()?.ok()?, words.next()?.ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_time_namespace_is_taken_into_account() {
        assert_eq!(
            read("monotonic           0         0\nboottime           2         5\n"),
            Some(2_000_000_005)
        );
        assert_eq!(read("boottime 9999999999999 0"), None);
        let clock = Clock { tick: 10_000_000, offset: 2_000_000_000 };
        assert_eq!((clock.ticks(1_009_999_999), clock.nanoseconds(3)), (300, 30_000_000));
    }

    #[test]
    fn own_start_is_the_same_by_both_clocks() {
        let own = crate::process::Identity::own().unwrap();
        let clock = Clock::own();
        assert!(clock.nanoseconds(own.start_time) < Clock::now());
    }
}
