//! The journal for async callers: what arrives while one write is synced goes together into the next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::record::Body;
use super::{Error, Journal};
use crate::clock::Clock;

/// A shared error: one failed write answers all who waited for it.
pub type Shared = Arc<Error>;

type Waiter = (Vec<Body>, bool, oneshot::Sender<Result<(), Shared>>);

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiter>,
    writing: bool,
}

struct Inner {
    queue: Mutex<Queue>,
    journal: Mutex<Journal>,
    clock: Clock,
}

/// A shared journal. Cheap to clone. No thread of its own: whoever comes first writes for all.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

impl std::fmt::Debug for Ledger {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Ledger")
    }
}

impl Ledger {
    /// Shares a journal.
    pub fn new(journal: Journal, clock: Clock) -> Self {
        Self(Arc::new(Inner { queue: Mutex::default(), journal: Mutex::new(journal), clock }))
    }

    /// Writes records, all or none; they are durable when this returns `Ok`.
    pub async fn append(&self, records: Vec<Body>) -> Result<(), Shared> {
        self.submit(records, true).await
    }

    /// Writes records that may be lost in a crash.
    pub async fn note(&self, records: Vec<Body>) -> Result<(), Shared> {
        self.submit(records, false).await
    }

    async fn submit(&self, records: Vec<Body>, sync: bool) -> Result<(), Shared> {
        let (answer, answered) = oneshot::channel();
        let leads = {
            let mut queue = lock(&self.0.queue);
            queue.waiting.push((records, sync, answer));
            !std::mem::replace(&mut queue.writing, true)
        };
        if leads {
            let inner = self.0.clone();
            tokio::task::spawn_blocking(move || inner.drain());
        }
        answered.await.unwrap_or_else(|_| {
            let source = std::io::ErrorKind::Interrupted.into();
            Err(Arc::new(Error::Io { what: "write to", source }))
        })
    }

    /// Looks at the journal, without waiting for the disk but for what is written right now.
    pub fn with<T>(&self, look: impl FnOnce(&mut Journal) -> T) -> T {
        look(&mut lock(&self.0.journal))
    }
}

impl Inner {
    fn drain(&self) {
        loop {
            let batch = {
                let mut queue = lock(&self.queue);
                if queue.waiting.is_empty() {
                    queue.writing = false;
                    return;
                }
                std::mem::take(&mut queue.waiting)
            };
            self.write(batch);
        }
    }

    fn write(&self, batch: Vec<Waiter>) {
        let now_us = self.clock.now_us();
        let sync = batch.iter().any(|(_, sync, _)| *sync);
        let together: Vec<Body> = batch.iter().flat_map(|(records, ..)| records.iter().cloned()).collect();
        if lock(&self.journal).append(&together, sync, now_us).is_ok() {
            for (.., answer) in batch {
                let _ = answer.send(Ok(()));
            }
            return;
        }
        // One by one, so that a full journal refuses new orders and still takes the ends of old ones.
        for (records, sync, answer) in batch {
            let result = lock(&self.journal).append(&records, sync, now_us).map_err(Arc::new);
            let _ = answer.send(result);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves the data usable: every change is made after the write succeeded.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
