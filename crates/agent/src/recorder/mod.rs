//! The flight recorder: what processes do on this endpoint, kept for a while on its disk; what rules say of that; and around
//! each detection the chain that led to it and came of it, told to the server.
//!
//! ```text
//! quell_host::recorder ─▶ flight (tree, judge, chains) ─▶ disk (ring, courier) ─▶ session
//!                           ▲   │
//!                           └───┴─ facts, yara (threads that read files)
//! ```
//!
//! - `flight` is one thread that waits for nothing but its own queue; `tree` knows who made whom, `judge` what rules say.
//! - `ring` is the file, `disk` the one thread that writes it; a disk that fails holds nobody up.
//! - `facts` reads files: hashes, packages. `yara` has their content looked at by a confined worker.
//!
//! What is lost anywhere is counted, and told: in status, and in the gaps of each chain.

mod alarm;
mod chains;
mod disk;
mod facts;
mod flight;
mod item;
mod judge;
mod met;
mod names;
mod prevent;
mod raw;
mod report;
mod ring;
mod run;
mod scope;
mod settings;
mod times;
mod tree;
mod yara;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use quell_host::recorder as host;
use quell_wire::activity::ChainStored;
use tokio::sync::oneshot;

use self::alarm::Alarm;
use self::chains::Unseen;
use self::disk::Disk;
use self::facts::Reader;
pub use self::flight::{Asked, Collected};
use self::flight::{Door, Flight, Input, Own};
pub use self::met::Met;
use self::names::{Names, own_mounts};
use self::prevent::Hand;
use self::ring::{Bounds, Ring};
pub use self::ring::{Error as RingError, Wanted, lineage, newest, reader};
use self::settings::Current;
use self::times::Times;
use self::yara::Yara;
use crate::clock::Clock;
use crate::guard::ExecGuard;
use crate::outbox::Outbox;
use crate::protection::Protection;
use crate::state::StateDir;
use crate::{facts as machine, random};

const STACK: usize = 1 << 20;
/// For the sources to hand on what they can hear of.
const HEARD: Duration = Duration::from_secs(2);

/// Why nothing is recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not to be, here.
    #[error("activity is not recorded here: {0}")]
    Off(String),
    /// The ring.
    #[error(transparent)]
    Ring(#[from] ring::Error),
    /// The sources.
    #[error(transparent)]
    Sources(#[from] host::Error),
    /// A thread was not to be had.
    #[error("a thread of the flight recorder cannot be started")]
    Thread(#[from] std::io::Error),
}

/// What runs while activity is recorded.
struct Engine {
    door: Door,
    disk: Disk,
    yara: Yara,
    reader: Reader,
    sources: Option<Arc<host::Recorder>>,
    flight: JoinHandle<()>,
    writer: JoinHandle<()>,
    alarm: Alarm,
}

#[derive(Default)]
struct Stands {
    engine: Option<Engine>,
    /// Why none runs.
    why: Option<String>,
    /// A session stands that takes chains.
    takes_chains: bool,
    /// How often a thread fell, and what it had been given and had not done: events and rows.
    falls: u32,
    missed: u64,
    /// Of these, those that open chains do not say yet.
    missed_untold: u64,
}

struct Inner {
    state: StateDir,
    outbox: Outbox,
    clock: Clock,
    hand: Hand,
    protection: Protection,
    stands: Mutex<Stands>,
}

/// The recorder. Cheap to clone.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

impl std::fmt::Debug for Recorder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Recorder(recording: {})", self.stands().engine.is_some())
    }
}

impl Recorder {
    /// Nothing runs yet.
    pub fn new(
        state: StateDir,
        outbox: Outbox,
        clock: Clock,
        guard: ExecGuard,
        protection: Protection,
    ) -> Self {
        let hand = Hand::new(guard, state.clone());
        let stands = Mutex::new(Stands { why: Some("it has not begun yet".to_owned()), ..Stands::default() });
        let recorder =
            Self(Arc::new(Inner { state, outbox: outbox.clone(), clock, hand, protection, stands }));
        let told = Arc::downgrade(&recorder.0);
        outbox.on_met(move |met| {
            if let Some(inner) = told.upgrade() {
                Self(inner).tell(Input::Met(met));
            }
        });
        recorder
    }

    fn stands(&self) -> MutexGuard<'_, Stands> {
        self.0.stands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, input: Input) {
        if let Some(engine) = &self.stands().engine {
            engine.door.tell(input);
        }
    }

    /// Puts everything together, and begins.
    fn begin(&self, current: Arc<Current>) -> Result<(), Error> {
        let inner = &self.0;
        let boot_id = machine::boot_id();
        let (ring, was_damaged) = Ring::open(inner.state.path(), &boot_id)?;
        if was_damaged {
            inner.outbox.event("recorder_ring_damaged", &serde_json::json!({ "at": "start" }));
        }
        let next_id = ring.next_id(inner.clock.now_us());
        let before = ring.living()?;
        let kept = ring.chains()?;
        let (door, alarm) = (Door::default(), Alarm::default());
        let bounds = Bounds { bytes: current.document.ring_bytes, age_s: current.document.ring_age_s };
        // Held by what each thread was given, and so by the thread.
        let watched = |name| (door.clone(), alarm.watch(name));
        let (found, watch) = watched("flight-disk");
        let (disk, writer) = Disk::start(
            ring,
            boot_id.clone(),
            bounds,
            (inner.outbox.clone(), inner.clock.clone()),
            Box::new(move |answer| watch.over(|| found.tell(Input::Disk(answer)))),
        )?;
        let (matched, watch) = watched("flight-yara");
        let yara = Yara::start(Arc::new(move |item, hits| {
            watch.over(|| matched.tell(Input::Matched(item, hits)));
        }))?;
        let ((learned, watch), scans) = (watched("flight-facts"), yara.clone());
        let reader = Reader::start(
            Box::new(move |known| watch.over(|| learned.tell(Input::Learned(known)))),
            Box::new(move |content| scans.scan(content)),
        )?;
        let own = Own { pid: std::process::id(), path: std::env::current_exe().unwrap_or_default() };
        let mut flight = Flight::new(
            door.clone(),
            Times::new(inner.clock.clone()),
            Names::new(own_mounts()),
            reader.clone(),
            yara.clone(),
            inner.hand.clone(),
            disk.clone(),
            own,
            boot_id,
            next_id,
        );
        flight.before = before.into_iter().map(|process| (process.key, process)).collect::<HashMap<_, _>>();
        flight.resume(kept, std::mem::take(&mut self.stands().missed_untold));
        flight.input(Input::Current(current));
        let (batches, watch) = watched("recorder");
        let wanted = scope::sources(&inner.state);
        let sources = host::Recorder::start(wanted, move |batch| watch.over(|| batches.batch(batch)));
        let sources = match sources {
            Ok(sources) => Arc::new(sources),
            Err(error) => {
                disk.stop();
                return Err(error.into());
            }
        };
        let counted = Arc::downgrade(&sources);
        flight.host_unseen = Box::new(move || {
            let standing = counted.upgrade().map(|sources| sources.standing());
            standing.map_or_else(Unseen::default, |standing| Unseen {
                lost: standing.counts.iter().map(|count| count.lost).sum(),
                vanished_files: standing.vanished_files,
            })
        });
        let thread = std::thread::Builder::new().name("flight".into()).stack_size(STACK);
        let watch = alarm.watch("flight");
        let flight = thread.spawn(move || watch.over(|| flight.run()))?;
        let mut stands = self.stands();
        disk.line(stands.takes_chains);
        let sources = Some(sources);
        stands.engine = Some(Engine { door, disk, yara, reader, sources, flight, writer, alarm });
        stands.why = None;
        Ok(())
    }

    /// A session stands, and its gateway takes chains or does not; or none stands.
    pub fn line(&self, takes_chains: bool) {
        let mut stands = self.stands();
        stands.takes_chains = takes_chains;
        if let Some(engine) = &stands.engine {
            engine.disk.line(takes_chains);
        }
    }

    /// The server has updates of a chain, and perhaps wants no more.
    pub fn stored(&self, stored: ChainStored) {
        if let Some(engine) = &self.stands().engine {
            engine.disk.stored(stored.chain_id.clone(), stored.serial);
            if stored.close {
                engine.door.tell(Input::Closed(stored.chain_id));
            }
        }
    }

    /// Opens the chain around a process.
    pub fn collect(&self, asked: Asked) -> Result<oneshot::Receiver<Result<Collected, &'static str>>, Error> {
        let stands = self.stands();
        let Some(engine) = &stands.engine else {
            return Err(Error::Off(stands.why.clone().unwrap_or_default()));
        };
        let (answer, receiver) = oneshot::channel();
        engine.door.tell(Input::Ask(asked, answer));
        Ok(receiver)
    }

    /// Answers when all that happened until now is on the disk; the answer is dropped where the recorder ends before.
    pub async fn written(&self) -> Result<oneshot::Receiver<()>, Error> {
        let sources = self.stands().engine.as_ref().and_then(|engine| engine.sources.clone());
        if let Some(sources) = sources {
            // Sources that are behind tell the rest later.
            let _ = tokio::task::spawn_blocking(move || sources.settle(HEARD)).await;
        }
        let stands = self.stands();
        let Some(engine) = &stands.engine else {
            return Err(Error::Off(stands.why.clone().unwrap_or_default()));
        };
        let (answer, receiver) = oneshot::channel();
        engine.door.tell(Input::Write(answer));
        Ok(receiver)
    }

    /// Where the ring lies, for whoever looks something up in it.
    pub fn ring(&self) -> PathBuf {
        self.0.state.join(ring::FILE)
    }
}

/// A UUID of version 4 (RFC 9562); without randomness one of the clock, which is told apart by nobody else's.
fn uuid() -> String {
    let mut bytes: [u8; 16] = random::bytes().unwrap_or_else(|_| {
        let now = u128::from(times::since_boot());
        (now | u128::from(std::process::id()) << 96).to_be_bytes()
    });
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    quell_host::system::BootId(bytes).to_string()
}
