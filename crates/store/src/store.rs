//! The store as the rest of the program holds it: closures go in, answers come out, connections stay inside.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::{Builder, JoinHandle},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use crate::{
    Error, Micros, Tx,
    lite::Lite,
    migrate,
    pg::Pg,
    tx::Connection,
    worker::{self, Job, Opener, Queue},
};

/// Closures that may wait before a caller is told that the store is busy.
const QUEUE: usize = 4096;
/// How long a caller waits for room in the queue.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many connections the store keeps.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Connections that write. SQLite always has one; PostgreSQL commits this many groups at once.
    pub writers: usize,
    /// Connections that read.
    pub readers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { writers: 2, readers: 4 }
    }
}

/// A handle to the database. Cheap to clone; the connections close when the last one is dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    write: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    read: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

enum Address {
    Lite(PathBuf),
    Pg(String),
}

impl Address {
    fn parse(url: &str) -> Result<Self, Error> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.starts_with(":memory:") {
                return Err(Error::Address("sqlite: needs the path of a file".to_owned()));
            }
            return Ok(Self::Lite(PathBuf::from(path)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Pg(url.to_owned()));
        }
        Err(Error::Address("it begins with neither sqlite: nor postgres://".to_owned()))
    }

    fn writer(&self) -> Opener {
        match self {
            Self::Lite(path) => {
                let path = path.clone();
                Arc::new(move || Ok(Box::new(Lite::open_writer(&path)?)))
            }
            Self::Pg(url) => pg_opener(url),
        }
    }

    fn reader(&self) -> Opener {
        match self {
            Self::Lite(path) => {
                let path = path.clone();
                Arc::new(move || Ok(Box::new(Lite::open_reader(&path)?)))
            }
            Self::Pg(url) => pg_opener(url),
        }
    }

    fn migration_lock(&self) -> Option<&'static str> {
        match self {
            Self::Lite(_) => None,
            // An arbitrary number that only this program's migrations use.
            Self::Pg(_) => Some("SELECT pg_advisory_xact_lock(781569290001)"),
        }
    }
}

fn pg_opener(url: &str) -> Opener {
    let url = url.to_owned();
    Arc::new(move || Ok(Box::new(Pg::open(&url)?)))
}

impl Store {
    /// Opens the database at `sqlite:PATH` or `postgres://…` and brings its schema up to date.
    ///
    /// `now` is the time that new migrations are recorded with.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Schema`] when the schema is a newer program's, or what the database says.
    pub async fn open(url: &str, options: Options, now: Micros) -> Result<Self, Error> {
        let address = Address::parse(url)?;
        let (back, answer) = oneshot::channel();
        // Off the runtime: opening blocks, and the PostgreSQL client brings a runtime of its own.
        Builder::new().name("store-open".to_owned()).spawn(move || {
            let _ = back.send(Self::open_blocking(&address, options, now));
        })?;
        answer.await.map_err(|_| Error::Panicked)?
    }

    fn open_blocking(address: &Address, options: Options, now: Micros) -> Result<Self, Error> {
        let (write, write_queue) = queue();
        let (read, read_queue) = queue();
        let writers = match address {
            Address::Lite(_) => 1,
            Address::Pg(_) => options.writers.clamp(1, 64),
        };
        let mut first: Option<Box<dyn Connection>> = Some(address.writer()()?);
        if let Some(connection) = first.as_mut() {
            migrate::run(connection.as_mut(), address.migration_lock(), now)?;
        }
        let mut threads = Vec::new();
        for number in 0..writers {
            let (queue, open, first) = (Arc::clone(&write_queue), address.writer(), first.take());
            let thread = Builder::new().name(format!("store-write-{number}"));
            threads.push(thread.spawn(move || worker::write_loop(&queue, &open, first))?);
        }
        for number in 0..options.readers.clamp(1, 64) {
            let (queue, open) = (Arc::clone(&read_queue), address.reader());
            let thread = Builder::new().name(format!("store-read-{number}"));
            threads.push(thread.spawn(move || worker::read_loop(&queue, &open))?);
        }
        let inner = Inner {
            write: Mutex::new(Some(write)),
            read: Mutex::new(Some(read)),
            threads: Mutex::new(threads),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs a closure in a write transaction and answers once its changes are durable.
    ///
    /// The closure shares a commit with others but fails alone: when another one fails after it changed something,
    /// all are run again, so a closure decides from the database alone. It is run even when the caller stops waiting.
    /// On PostgreSQL it runs at READ COMMITTED: a change that depends on what was read must say so in its
    /// WHERE clause and look at the number of rows changed.
    ///
    /// # Errors
    /// The closure's own error, or an [`Error`] of the store when its changes were not kept.
    pub async fn write<F, T, E>(&self, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        run(&self.inner.write, closure).await
    }

    /// Runs a closure in a read-only transaction that sees one state of the database.
    ///
    /// # Errors
    /// The closure's own error, or an [`Error`] of the store.
    pub async fn read<F, T, E>(&self, closure: F) -> Result<T, E>
    where
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let mut closure = Some(closure);
        run(&self.inner.read, move |tx| {
            closure.take().map_or_else(|| Err(Error::Panicked.into()), |read| read(tx))
        })
        .await
    }

    /// Finishes what was accepted, closes the connections, and refuses what comes later with [`Error::Unavailable`].
    pub async fn close(&self) {
        lock(&self.inner.write).take();
        lock(&self.inner.read).take();
        let threads = std::mem::take(&mut *lock(&self.inner.threads));
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count()
        });
        if joined.await.unwrap_or(1) > 0 {
            tracing::error!("a thread of the store ended unexpectedly");
        }
    }
}

fn queue() -> (mpsc::Sender<Box<dyn Job>>, Queue) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (sender, Arc::new(Mutex::new(receiver)))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run<F, T, E>(queue: &Mutex<Option<mpsc::Sender<Box<dyn Job>>>>, closure: F) -> Result<T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let closed = || Error::Unavailable("the store is closed".to_owned());
    let sender = lock(queue).clone().ok_or_else(closed)?;
    let (job, answer) = worker::job(closure);
    if let Err(refused) = sender.send_timeout(job, PATIENCE).await {
        return Err(match refused {
            mpsc::error::SendTimeoutError::Timeout(_) => Error::Busy.into(),
            mpsc::error::SendTimeoutError::Closed(_) => closed().into(),
        });
    }
    answer.await.map_err(|_| Error::Panicked)?
}
