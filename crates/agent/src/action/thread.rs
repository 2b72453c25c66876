//! Long blocking work on a thread of its own. The runtime's pool is small and also carries the network cut:
//! eight collections under way must not keep an isolation waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::runner::Ending;

/// How often a count is looked at while the work runs.
const LOOK: Duration = Duration::from_millis(500);
const STACK: usize = 512 << 10;

/// Runs `work` on a thread of its own. Meanwhile `look` is told the count that the work keeps.
pub(super) async fn run<T: Send + 'static>(
    work: impl FnOnce(&AtomicU64) -> T + Send + 'static,
    look: impl Fn(u64),
) -> Result<T, Ending> {
    let count = Arc::new(AtomicU64::new(0));
    let (sender, mut receiver) = oneshot::channel();
    let counted = count.clone();
    let thread = std::thread::Builder::new().name("action".into()).stack_size(STACK);
    let started = thread.spawn(move || drop(sender.send(work(&counted))));
    started.map_err(|error| Ending::refused("no_thread", format!("cannot start a thread: {error}")))?;
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            done = &mut receiver => {
                return done.map_err(|_| Ending::indeterminate("interrupted", "the work ended unexpectedly"));
            }
            _ = ticks.tick() => look(count.load(Ordering::Relaxed)),
        }
    }
}
