//! The journal for async callers: what arrives while one write is synced goes together into the next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::record::Body;
use super::{Error, Journal};
use crate::clock::Clock;

/// A shared error: one failed write answers all who waited for it.
pub type Shared = Arc<Error>;

type Answer = oneshot::Sender<Result<(), Shared>>;

#[derive(Default)]
struct Queue {
    waiting: Vec<(Vec<Body>, Answer)>,
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
        self.submit(records).await.unwrap_or_else(|_| {
            let source = std::io::ErrorKind::Interrupted.into();
            Err(Arc::new(Error::Io { what: "write to", source }))
        })
    }

    /// The server holds an outcome: known at once, and written down soon.
    pub fn acknowledge(&self, order_id: &str) {
        if self.with(|journal| journal.acknowledge(order_id)) {
            // Nobody waits for it.
            drop(self.submit(Vec::new()));
        }
    }

    fn submit(&self, records: Vec<Body>) -> oneshot::Receiver<Result<(), Shared>> {
        let (answer, answered) = oneshot::channel();
        let leads = {
            let mut queue = lock(&self.0.queue);
            queue.waiting.push((records, answer));
            !std::mem::replace(&mut queue.writing, true)
        };
        if leads {
            let inner = self.0.clone();
            tokio::task::spawn_blocking(move || inner.drain());
        }
        answered
    }

    /// Looks at the journal, without waiting for the disk, but for a file that is rewritten right now.
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

    fn write(&self, mut batch: Vec<(Vec<Body>, Answer)>) {
        if batch.len() > 1 {
            let counts: Vec<usize> = batch.iter().map(|(records, _)| records.len()).collect();
            let mut together: Vec<Body> =
                batch.iter_mut().flat_map(|(records, _)| std::mem::take(records)).collect();
            if self.append(&together).is_ok() {
                for (_, answer) in batch {
                    let _ = answer.send(Ok(()));
                }
                return;
            }
            // One by one, so that a full journal refuses new orders and still takes the ends of old ones.
            for ((records, _), count) in batch.iter_mut().zip(counts) {
                *records = together.drain(..count).collect();
            }
        }
        for (records, answer) in batch {
            let _ = answer.send(self.append(&records).map_err(Arc::new));
        }
    }

    /// Only by the one that drains: nothing else is placed between a record and its sync.
    fn append(&self, records: &[Body]) -> Result<(), Error> {
        let now_us = self.clock.now_us();
        loop {
            // Not in one expression: its lock would last until the end of it.
            let placed = lock(&self.journal).place(records, now_us);
            let done = match placed {
                Ok(placed) => {
                    let synced = placed.sync();
                    lock(&self.journal).settle(records, placed, synced)
                }
                Err(error) => Err(error),
            };
            match done {
                Err(error) if lock(&self.journal).give_up_reserve(records, &error) => {}
                done => return done,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves the data usable: every change is made after the write succeeded.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
