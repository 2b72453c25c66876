//! Time and randomness, passed in, so that tests hold both.

use quell_store::Micros;
use ring::rand::{SecureRandom as _, SystemRandom};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970.
    fn now(&self) -> Micros;
}

/// Gives random bytes.
pub trait Entropy: Send + Sync {
    /// Fills the buffer; `false` when there is no randomness to be had.
    #[must_use]
    fn fill(&self, bytes: &mut [u8]) -> bool;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
    fn now(&self) -> Micros {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> bool {
        SystemRandom::new().fill(bytes).is_ok()
    }
}
