//! The wish that an order stops, seen by async code and by blocking code alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Shared between who asks and who stops. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    asked: AtomicBool,
    bell: Notify,
}

impl Cancel {
    /// Asks for the stop.
    pub fn ask(&self) {
        self.0.asked.store(true, Ordering::SeqCst);
        self.0.bell.notify_waiters();
    }

    /// Whether the stop was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::SeqCst)
    }

    /// Waits until the stop is asked for.
    pub async fn asked(&self) {
        loop {
            let heard = self.0.bell.notified();
            if self.is_asked() {
                return;
            }
            heard.await;
        }
    }
}
