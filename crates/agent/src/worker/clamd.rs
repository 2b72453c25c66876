//! The worker that talks to `clamd`: sealed, so that whoever answers has nobody to lead astray but a process that holds
//! one connection and one file.
//!
//! The agent connects and hands the connection over; the worker asks, waits, and says what the answer means.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quell_host::clamd::{self, Answer, Error, Way};
use quell_host::confine::{Confined, Limits};
use quell_host::worker::{Channel, Failure, Worker};
use serde::{Deserialize, Serialize};

use super::Kind;

/// To reach it, and for its version.
const REACH: Duration = Duration::from_secs(10);
/// The worker gives up by itself at its limit; one that goes on this much longer is ended.
const GRACE: Duration = Duration::from_secs(5);
/// Memory of the worker. Bytes.
const MEMORY: u64 = 128 << 20;

/// A question. The first descriptor is the connection, the second the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ask {
    Version { time: Duration },
    Scan { way: Way, most: u64, time: Duration },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Version(Result<String, Error>),
    Scan(Result<Answer, Error>),
}

pub(super) fn work(channel: &mut Channel) -> io::Result<()> {
    while let Some(request) = channel.receive()? {
        let ask: Ask = serde_json::from_slice(&request.body)?;
        let mut descriptors = request.descriptors.into_iter();
        let (socket, file) = (descriptors.next().ok_or(io::ErrorKind::InvalidInput)?, descriptors.next());
        let told = match ask {
            Ask::Version { time } => Told::Version(clamd::version(socket.as_fd(), Instant::now() + time)),
            Ask::Scan { way, most, time } => {
                let file = File::from(file.ok_or(io::ErrorKind::InvalidInput)?);
                Told::Scan(clamd::scan(socket.as_fd(), &file, way, most, Instant::now() + time))
            }
        };
        channel.send(&serde_json::to_vec(&told)?)?;
    }
    Ok(())
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Nothing listens there.
    #[error("clamd is not reached at {}", path.display())]
    Reach {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// What it said, or did not say.
    #[error(transparent)]
    Clamd(Error),
    /// The worker.
    #[error(transparent)]
    Worker(#[from] Failure),
}

/// The agent's side. Belongs to one thread, as workers do.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    cpu: Duration,
    way: Way,
    worker: Option<Worker>,
    confined: Option<Confined>,
}

impl Client {
    /// Reaches a `clamd` and asks for its version. `cpu`: for a worker's whole life.
    pub fn open(path: &Path, cpu: Duration, stop: &dyn Fn() -> bool) -> Result<(Self, String), Trouble> {
        let (path, way) = (path.to_owned(), Way::Descriptor);
        let mut client = Self { path, cpu, way, worker: None, confined: None };
        match client.ask(&Ask::Version { time: REACH }, REACH, None, stop)? {
            Told::Version(version) => Ok((client, version.map_err(Trouble::Clamd)?)),
            Told::Scan(_) => Err(client.garbled()),
        }
    }

    /// How the worker is confined.
    pub fn confined(&self) -> Option<&Confined> {
        self.confined.as_ref()
    }

    /// Has a file looked at, at most its first `most` bytes where it goes as a stream. The descriptor of the file goes to
    /// `clamd`, unless that takes none.
    pub fn scan(
        &mut self,
        file: BorrowedFd<'_>,
        most: u64,
        time: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Answer, Trouble> {
        let told = self.told(file, most, time, stop)?;
        if told == Err(Error::NoDescriptor) && self.way == Way::Descriptor {
            // For all further files as well.
            self.way = Way::Stream;
            return self.told(file, most, time, stop)?.map_err(Trouble::Clamd);
        }
        told.map_err(Trouble::Clamd)
    }

    fn told(
        &mut self,
        file: BorrowedFd<'_>,
        most: u64,
        time: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Result<Answer, Error>, Trouble> {
        match self.ask(&Ask::Scan { way: self.way, most, time }, time, Some(file), stop)? {
            Told::Scan(told) => Ok(told),
            Told::Version(_) => Err(self.garbled()),
        }
    }

    fn garbled(&mut self) -> Trouble {
        self.worker = None;
        Failure::Garbled("an answer to another question".to_owned()).into()
    }

    fn ask(
        &mut self,
        ask: &Ask,
        time: Duration,
        file: Option<BorrowedFd<'_>>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Told, Trouble> {
        let reached = clamd::connect(&self.path, REACH.min(time), stop);
        let socket = reached.map_err(|source| {
            if stop() {
                return Failure::Canceled.into();
            }
            Trouble::Reach { path: self.path.clone(), source }
        })?;
        let limits = Limits { memory: MEMORY, cpu: self.cpu, descriptors: 32, background: true };
        let begun = || Worker::start(&Kind::Clamd.launcher(), limits);
        let mut worker = self.worker.take().map_or_else(begun, Ok)?;
        self.confined.get_or_insert_with(|| worker.confined().clone());
        let body = serde_json::to_vec(ask).map_err(|error| Failure::Line(error.into()))?;
        let descriptors: Vec<BorrowedFd<'_>> = [Some(socket.as_fd()), file].into_iter().flatten().collect();
        let answer = worker.call(&body, &descriptors, time + GRACE, stop)?;
        let told = serde_json::from_slice(&answer).map_err(|error| worker.reject(error.to_string()))?;
        self.worker = Some(worker);
        Ok(told)
    }
}
