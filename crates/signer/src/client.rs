//! The server's side: one connection to the signer, kept up, over which orders go in batches.
//!
//! Whatever waits when a frame may leave goes into it together, so that many orders at once cost few frames, and one alone
//! waits for nobody. When the connection breaks, what was not answered is asked again over the next: the same order gets
//! the same signature. Whoever waits does so for a bounded time.

mod talk;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prost::Message as _;
use quell_wire::keys::{KeySet, SignedKeySet, Trust};
use quell_wire::limits;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use self::talk::talk;
use crate::place::Place;
use crate::protocol::{PublicKeys, Refused};

/// Orders that wait to be sent; more wait to be let in.
const QUEUE: usize = 1024;
/// How long an order waits for its signature, the signer's restart included.
const LIMIT: Duration = Duration::from_secs(10);
/// Before the first try to connect again, and at most between two.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The signer does not answer. The same order may be signed later.
    #[error("the signer cannot be reached: {0}")]
    Unreachable(String),
    /// The signer would sign it, and not now: its policy's rate is used up, or its journal cannot be written.
    #[error("the signer does not sign it now ({code}): {message}")]
    Busy {
        /// A stable code.
        code: String,
        /// For people.
        message: String,
    },
    /// The signer will not sign it.
    #[error("the signer refused ({code}): {message}")]
    Refused {
        /// A stable code.
        code: String,
        /// For people.
        message: String,
    },
}

/// The public side of the order keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// What agents are to trust now.
    pub set: KeySet,
    /// Rotations so far, oldest first.
    pub rotations: Vec<SignedKeySet>,
}

impl Keys {
    fn read(said: Option<PublicKeys>) -> Result<Self, String> {
        let said = said.ok_or("the signer did not tell its keys")?;
        let set = KeySet::decode(said.set.as_slice()).map_err(|_| "the signer's keys are malformed")?;
        // The same rules by which an agent pins them.
        Trust::pinned(set.clone()).map_err(|error| error.to_string())?;
        Ok(Self { set, rotations: said.rotations })
    }

    /// Whether somebody who trusts `known` comes to these keys by the rotations that they carry.
    pub fn follow(&self, known: &KeySet) -> bool {
        if *known == self.set {
            return true;
        }
        let Ok(mut trust) = Trust::pinned(known.clone()) else { return false };
        for rotation in &self.rotations {
            if let Ok(next) = trust.rotate(rotation) {
                trust = next;
            }
        }
        *trust.set() == self.set
    }
}

/// A signature over the bytes of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The signature.
    pub signature: Vec<u8>,
    /// Which key signed.
    pub key_id: String,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Orders signed.
    pub signed: u64,
    /// Orders refused for good.
    pub refused: u64,
    /// Connections made.
    pub connections: u64,
}

/// Whether keys that the signer tells are to be believed; the text says why not.
pub type Judge = Box<dyn Fn(&Keys) -> Result<(), String> + Send + Sync>;

/// A way to the signer. Ends when dropped.
#[derive(Debug)]
pub struct Client {
    queue: mpsc::Sender<Pending>,
    shared: Arc<Shared>,
}

/// What can be signed. Answers come in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Order,
    Delta,
    Protection,
}

/// An order, or something else, that waits for its signature.
struct Pending {
    order: Arc<[u8]>,
    what: What,
    answer: oneshot::Sender<Result<Signature, Refused>>,
}

struct Shared {
    place: Place,
    judge: Judge,
    keys: watch::Sender<Arc<Keys>>,
    /// Why its keys were not believed, where they were not.
    misfit: watch::Sender<Option<String>>,
    connected: AtomicBool,
    problem: Mutex<String>,
    signed: AtomicU64,
    refused: AtomicU64,
    connections: AtomicU64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.place)
    }
}

impl Client {
    /// Keeps a connection to the signer at this place, from now on; in a task of the runtime that this is called in.
    /// `judge` decides whether keys that the signer tells are to be believed.
    pub fn start(place: Place, judge: Judge) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            place,
            judge,
            keys: watch::Sender::new(Arc::default()),
            misfit: watch::Sender::new(None),
            connected: AtomicBool::new(false),
            problem: Mutex::new("it did not answer yet".to_owned()),
            signed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        });
        tokio::spawn(keep_up(Arc::clone(&shared), waiting));
        Self { queue, shared }
    }

    /// Waits until the signer told its keys.
    ///
    /// # Errors
    /// When it did not within this time: what the last try met. At once when its keys are not believed.
    pub async fn ready(&self, within: Duration) -> Result<(), Error> {
        let mut keys = self.shared.keys.subscribe();
        let mut misfit = self.shared.misfit.subscribe();
        let told = async {
            tokio::select! {
                _ = keys.wait_for(|keys| !keys.set.keys.is_empty()) => None,
                // A signer with wrong keys does not become a right one by waiting.
                why = misfit.wait_for(Option::is_some) => why.ok().and_then(|why| why.clone()),
            }
        };
        match tokio::time::timeout(within, told).await {
            Ok(None) => Ok(()),
            Ok(Some(why)) => Err(Error::Unreachable(format!("{}: {why}", self.shared.place))),
            Err(_) => Err(self.unreachable()),
        }
    }

    /// Has the bytes of an order signed.
    pub async fn sign(&self, order: Vec<u8>) -> Result<Signature, Error> {
        self.ask(order, What::Order).await
    }

    /// Has the bytes of a delta of a block list signed.
    pub async fn sign_delta(&self, delta: Vec<u8>) -> Result<Signature, Error> {
        self.ask(delta, What::Delta).await
    }

    /// Has the bytes of a protection document signed.
    pub async fn sign_protection(&self, document: Vec<u8>) -> Result<Signature, Error> {
        self.ask(document, What::Protection).await
    }

    async fn ask(&self, order: Vec<u8>, what: What) -> Result<Signature, Error> {
        if order.len() > limits::FRAME {
            let (code, message) = ("order_malformed".to_owned(), "longer than an agent takes".to_owned());
            return Err(Error::Refused { code, message });
        }
        let order: Arc<[u8]> = order.into();
        let end = Instant::now() + LIMIT;
        loop {
            let (answer, answered) = oneshot::channel();
            let pending = Pending { order: Arc::clone(&order), what, answer };
            let asking = async {
                self.queue.send(pending).await.ok()?;
                answered.await.ok()
            };
            let Ok(Some(result)) = timeout_at(end, asking).await else { return Err(self.unreachable()) };
            let Refused { code, message, retry_after_ms } = match result {
                Ok(signature) => return Ok(signature),
                Err(refused) => refused,
            };
            if retry_after_ms == 0 {
                return Err(Error::Refused { code, message });
            }
            let again = Instant::now() + Duration::from_millis(u64::from(retry_after_ms));
            if again >= end {
                return Err(Error::Busy { code, message });
            }
            tokio::time::sleep_until(again).await;
        }
    }

    /// The keys, as they were told last; none before [`Client::ready`].
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.shared.keys.borrow())
    }

    /// Hears of each change of the keys.
    pub fn watch_keys(&self) -> watch::Receiver<Arc<Keys>> {
        self.shared.keys.subscribe()
    }

    /// Whether the signer is there now.
    pub fn is_connected(&self) -> bool {
        self.shared.connected.load(Ordering::Relaxed)
    }

    /// What was counted.
    pub fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Shared { signed, refused, connections, .. } = &*self.shared;
        Stats { signed: read(signed), refused: read(refused), connections: read(connections) }
    }

    fn unreachable(&self) -> Error {
        let problem = self.shared.problem.lock().unwrap_or_else(PoisonError::into_inner);
        Error::Unreachable(format!("{}: {problem}", self.shared.place))
    }
}

impl Shared {
    /// Takes keys that the signer told.
    fn take_keys(&self, keys: Keys) -> Result<(), String> {
        (self.judge)(&keys).inspect_err(|why| {
            self.misfit.send_replace(Some(why.clone()));
        })?;
        self.keys.send_if_modified(|held| {
            let is_news = **held != keys;
            if is_news {
                *held = Arc::new(keys);
            }
            is_news
        });
        Ok(())
    }

    fn note(&self, problem: String) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

/// Connects, and connects again, until the client is dropped.
async fn keep_up(shared: Arc<Shared>, mut queue: mpsc::Receiver<Pending>) {
    let mut waiting = VecDeque::new();
    let mut pause = PAUSE.0;
    loop {
        let problem = match talk(&shared, &mut queue, &mut waiting).await {
            Ok(()) => return,
            Err(problem) => problem,
        };
        if shared.connected.swap(false, Ordering::Relaxed) {
            tracing::warn!(place = %shared.place, problem, "the signer has gone; it is looked for again");
            pause = PAUSE.0;
        } else {
            tracing::debug!(place = %shared.place, problem, "the signer cannot be reached");
        }
        shared.note(problem);
        // Whoever does not wait any more needs no signature.
        waiting.retain(|pending: &Pending| !pending.answer.is_closed());
        tokio::time::sleep(pause).await;
        if queue.is_closed() && queue.is_empty() {
            return;
        }
        pause = (pause * 2).min(PAUSE.1);
    }
}
