//! The signer's own time: what the server says of time is not believed.

use std::sync::Arc;

/// Tells microseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place of the signer that asks the machine for the time"
)]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}
