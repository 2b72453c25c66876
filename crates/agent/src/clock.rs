//! The one place where the agent reads the wall clock, so that tests can hand it another.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock: microseconds since 1970.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl std::fmt::Debug for Clock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Clock({})", self.now_us())
    }
}

impl Clock {
    /// The system's clock. A clock before 1970 reads as 0.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn system() -> Self {
        Self::from_fn(|| {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
        })
    }

    /// A clock of the caller's own.
    pub fn from_fn(read: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        (self.0)()
    }
}
