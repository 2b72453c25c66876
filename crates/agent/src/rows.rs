//! Rows of an action on their way out: a few stand in the outcome, all of them go to the gateway in parts while the
//! action still runs.
//!
//! A producer pushes rows and is held back where the network or the disk is slower than it is. A thread of its own
//! encodes and compresses, so that the session's thread does not; a task uploads one part after the other. What is
//! never asked for its [`Writer::finish`] is thrown away. After a crash of the agent the action is begun anew, and so
//! are its parts: the gateway takes other bytes under the same name in place of the old.

mod encode;

use std::future::Future;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use encode::{Encoded, Encoder, Item, Ready};
use quell_catalog::rows::{Column, Part, Rows};
use quell_wire::artifact::Kind;
use quell_wire::digest::hex;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};

use crate::action::Endpoint;
use crate::runner::{Cancel, Ending, Job, chain};
use crate::transfer::{self, Gateway, Upload, upload};

/// Rows between a producer and the encoder.
const QUEUE: usize = 256;
/// Parts that lie on the disk and wait for the network.
const WAITING: usize = 4;
/// How often the age of an unfinished part is looked at.
const TICK: Duration = Duration::from_millis(500);
const STACK: usize = 512 << 10;

/// A row: its keys are names of columns.
pub type Row = Map<String, Value>;

/// Where rows stop.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows.
    pub rows: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
}

impl Default for Limits {
    /// A million rows, 2 GiB of JSON.
    fn default() -> Self {
        Self { rows: 1_000_000, bytes: 2 << 30 }
    }
}

/// Why rows did not get through.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The way to the gateway; also the order's cancel.
    #[error("the rows did not get through")]
    Transfer(#[from] transfer::Error),
    /// The disk.
    #[error("cannot keep a part of the rows until it is sent")]
    Spool(#[source] std::io::Error),
    /// No thread.
    #[error("cannot start a thread for the rows")]
    Thread(#[source] std::io::Error),
    /// The encoder died.
    #[error("the rows were lost on the way")]
    Lost,
}

impl From<Error> for Ending {
    /// Rows are looked at, not changed: what did not get through changed nothing here.
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Transfer(transfer::Error::Canceled) => {
                return Self::canceled("canceled while rows were sent");
            }
            Error::Transfer(error) => error.code(),
            Error::Spool(source) if transfer::is_full(source) => "disk_full",
            Error::Spool(_) => "spool_failed",
            Error::Thread(_) => "no_thread",
            Error::Lost => "rows_lost",
        };
        Self::failed(code, chain(&error))
    }
}

/// Takes the part of this number, which lies at this path, to where it is kept; answers with its id there.
type Deliver =
    Box<dyn Fn(Ready) -> Pin<Box<dyn Future<Output = Result<Part, transfer::Error>> + Send>> + Send>;

/// Takes rows. Dropped without [`Writer::finish`], it throws them away.
#[derive(Debug)]
pub struct Writer {
    items: mpsc::Sender<Item>,
    cancel: Cancel,
    shared: Arc<Shared>,
    encoded: oneshot::Receiver<Result<Encoded, std::io::Error>>,
    sent: JoinHandle<Result<Vec<Part>, transfer::Error>>,
    ticker: AbortHandle,
}

/// What both sides look at.
#[derive(Debug)]
struct Shared {
    /// Rows taken, or refused for want of room.
    pushed: AtomicU64,
    /// Nothing more is taken from this count on; lowered by the encoder where bytes run out.
    most: AtomicU64,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.ticker.abort();
        self.sent.abort();
    }
}

impl Writer {
    /// For the rows of an order, with these columns.
    pub fn of(endpoint: &Endpoint, job: &Job, columns: Vec<Column>, limits: Limits) -> Result<Self, Ending> {
        let directory =
            endpoint.work_directory(job).map_err(|error| Ending::failed("spool_failed", chain(&error)))?;
        let gateway = Gateway { dialer: endpoint.dialer.clone(), identity: endpoint.identity.clone() };
        let (order_id, cancel) = (job.order_id.clone(), job.cancel.clone());
        let deliver: Deliver = Box::new(move |ready| {
            let (gateway, order_id, cancel) = (gateway.clone(), order_id.clone(), cancel.clone());
            Box::pin(async move { send(&gateway, &order_id, &cancel, ready).await })
        });
        Self::start(&directory, columns, limits, job.cancel.clone(), deliver).map_err(Ending::from)
    }

    fn start(
        directory: &Path,
        columns: Vec<Column>,
        limits: Limits,
        cancel: Cancel,
        deliver: Deliver,
    ) -> Result<Self, Error> {
        let (items, received) = mpsc::channel(QUEUE);
        let (parts, ready) = mpsc::channel(WAITING);
        let (tell, encoded) = oneshot::channel();
        let shared = Arc::new(Shared { pushed: AtomicU64::new(0), most: AtomicU64::new(limits.rows) });
        let encoder = Encoder::new(directory, columns, limits, shared.clone(), parts);
        let thread = std::thread::Builder::new().name("rows".into()).stack_size(STACK);
        thread.spawn(move || drop(tell.send(encoder.run(received)))).map_err(Error::Thread)?;
        let weak = items.downgrade();
        let ticker = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                let Some(items) = weak.upgrade() else { return };
                // A full queue looks at the age by itself.
                let _ = items.try_send(Item::Tick);
            }
        });
        let sent = tokio::spawn(deliver_all(ready, deliver));
        Ok(Self { items, cancel, shared, encoded, sent, ticker: ticker.abort_handle() })
    }

    /// Takes a row, once there is room for it. `Break`: no more rows are wanted (a limit, a cancel, an error);
    /// [`Writer::finish`] says why.
    pub async fn push(&self, row: Row) -> ControlFlow<()> {
        self.admit()?;
        flow(self.items.send(Item::Row(row)).await.is_ok())
    }

    /// The same for threads that may block. Panics on a thread of the async runtime.
    pub fn push_blocking(&self, row: Row) -> ControlFlow<()> {
        self.admit()?;
        flow(self.items.blocking_send(Item::Row(row)).is_ok())
    }

    /// Names the columns, where they were not known at the start: before the first row.
    pub fn columns_blocking(&self, columns: Vec<Column>) -> ControlFlow<()> {
        flow(self.items.blocking_send(Item::Columns(columns)).is_ok() && !self.cancel.is_asked())
    }

    /// Rows that were pushed.
    pub fn count(&self) -> u64 {
        self.shared.pushed.load(Ordering::Relaxed).min(self.shared.most.load(Ordering::Relaxed))
    }

    fn admit(&self) -> ControlFlow<()> {
        // Counted before it is compared: the row that finds no room tells that there were more.
        let before = self.shared.pushed.fetch_add(1, Ordering::Relaxed);
        flow(before < self.shared.most.load(Ordering::Relaxed) && !self.cancel.is_asked())
    }

    /// Sends what is left, and waits until the gateway holds every part.
    pub async fn finish(mut self) -> Result<Rows, Error> {
        // A receiver that is gone has failed; what it failed of is told below.
        let _ = self.items.send(Item::End).await;
        match (&mut self.sent).await {
            Ok(Ok(parts)) => match (&mut self.encoded).await {
                Ok(Ok(encoded)) if self.cancel.is_asked() => {
                    drop(encoded);
                    Err(transfer::Error::Canceled.into())
                }
                Ok(Ok(encoded)) => Ok(encoded.rows(parts)),
                Ok(Err(error)) => Err(Error::Spool(error)),
                Err(_) => Err(Error::Lost),
            },
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Error::Lost),
        }
    }
}

fn flow(goes_on: bool) -> ControlFlow<()> {
    if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

async fn deliver_all(
    mut ready: mpsc::Receiver<Ready>,
    deliver: Deliver,
) -> Result<Vec<Part>, transfer::Error> {
    let mut parts = Vec::new();
    while let Some(next) = ready.recv().await {
        let path: PathBuf = next.path.clone();
        let sent = deliver(next).await;
        // Kept by the gateway, or of no use any more.
        let _ = std::fs::remove_file(path);
        parts.push(sent?);
    }
    Ok(parts)
}

async fn send(
    gateway: &Gateway,
    order_id: &str,
    cancel: &Cancel,
    ready: Ready,
) -> Result<Part, transfer::Error> {
    let kind = Kind::Rows(u16::try_from(ready.number).unwrap_or(u16::MAX));
    let Ready { rows, size, sha256, .. } = ready;
    let what = Upload { order_id, kind, path: &ready.path, size, sha256 };
    let artifact_id = upload(gateway, what, cancel, |_| ()).await?;
    Ok(Part { artifact_id, rows, size, sha256: hex(&sha256) })
}

#[cfg(test)]
mod tests;
