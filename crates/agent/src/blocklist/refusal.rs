//! Listed names do not resolve: answers of name servers are held by the kernel until they were looked at here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quell_catalog::blocklist::report::Hit;
use quell_catalog::blocklist::{Action, Kind};
use quell_host::dns::Answer;
use quell_host::namegate::{self, Gate, Stands};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::blocking;
use super::view::{Shown, told};
use crate::clock::Clock;
use crate::outbox::Outbox;
use crate::runner::chain;

/// What is said of names that are refused.
pub const REFUSED: &str = "answers of name servers are turned into \"no such name\", over UDP and TCP, those of a resolver on this \
                           machine too; encrypted DNS is not seen";
/// Between two looks whether it is over.
const WAIT: Duration = Duration::from_secs(5);
/// Questions for the same name are told once in this time.
const TOGETHER: Duration = Duration::from_secs(5);
/// Names that are told in that time; others are refused untold.
const MET: usize = 64;

/// The gate, while names are listed.
#[derive(Default)]
pub struct Refusal {
    keeper: Option<Keeper>,
    stands: Option<Stands>,
}

struct Keeper {
    queue: u16,
    is_over: Arc<AtomicBool>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Refusal {
    /// Names of the view are refused from now on.
    pub async fn enforce(&mut self, view: &Shown, outbox: &Outbox, clock: &Clock) -> Result<(), String> {
        let queue = if let Some(keeper) = &self.keeper {
            keeper.queue
        } else {
            // What an earlier agent left leads to nobody, and must not lead here before all is ready.
            let _ = blocking(namegate::remove).await;
            self.keep(view.clone(), outbox.clone(), clock.clone())?
        };
        let before = self.stands.take();
        let done = blocking(move || {
            if let Some(stands) = before.filter(namegate::is_intact) {
                return Ok(stands);
            }
            namegate::apply(queue)
        });
        match done.await {
            Ok(Ok(stands)) => {
                self.stands = Some(stands);
                Ok(())
            }
            Ok(Err(error)) => {
                self.keeper = None;
                Err(chain(&error))
            }
            Err(error) => Err(chain(&error)),
        }
    }

    /// No names are listed any more.
    pub async fn end(&mut self) {
        if self.keeper.take().is_none() {
            return;
        }
        self.stands = None;
        if let Ok(Err(error)) = blocking(namegate::remove).await {
            // They let everything pass: nobody is at the queue.
            tracing::warn!(error = chain(&error), "rules that are not needed stay");
        }
    }

    /// Whether it should stand and somebody changed the rules.
    pub async fn is_damaged(&self) -> bool {
        match self.stands.clone() {
            Some(stands) => !blocking(move || namegate::is_intact(&stands)).await.unwrap_or(false),
            None => self.keeper.is_some(),
        }
    }

    fn keep(&mut self, view: Shown, outbox: Outbox, clock: Clock) -> Result<u16, String> {
        let gate = Gate::open().map_err(|error| chain(&error))?;
        let keeper = Keeper { queue: gate.queue(), is_over: Arc::default() };
        let (queue, is_over) = (keeper.queue, keeper.is_over.clone());
        let runtime = Handle::current();
        let work = move || {
            Guard { view, outbox, clock, runtime, telling: None, met: BTreeMap::new() }.run(gate, &is_over);
        };
        let thread = std::thread::Builder::new().name("names".into()).stack_size(256 << 10);
        thread.spawn(work).map_err(|error| chain(&error))?;
        self.keeper = Some(keeper);
        Ok(queue)
    }
}

/// Answers of name servers wait for this thread: it opens no file and writes nothing.
struct Guard {
    view: Shown,
    outbox: Outbox,
    clock: Clock,
    runtime: Handle,
    telling: Option<JoinHandle<()>>,
    /// Listed object and name that was asked for, and how often.
    met: BTreeMap<(String, String), u32>,
}

impl Guard {
    fn run(mut self, mut gate: Gate, is_over: &AtomicBool) {
        let mut due: Option<Instant> = None;
        while !is_over.load(Ordering::Relaxed) {
            let wait = due.map_or(WAIT, |due| due.saturating_duration_since(Instant::now()));
            if let Err(error) = gate.serve(wait, |answer| self.is_refused(answer)) {
                // While nothing is taken from it, a full queue lets everything pass.
                tracing::error!(%error, "answers of name servers cannot be looked at");
                std::thread::sleep(WAIT);
            }
            if !self.met.is_empty() && Instant::now() >= *due.get_or_insert_with(|| Instant::now() + TOGETHER)
            {
                due = None;
                self.tell();
            }
        }
    }

    fn is_refused(&mut self, answer: &Answer) -> bool {
        let listed = self.view.get().listed(&answer.names, self.clock.now_us());
        let Some((value, Action::Block)) = listed else { return false };
        let asked = answer.names.first().cloned().unwrap_or_default();
        let key = (value, asked);
        if self.met.len() < MET || self.met.contains_key(&key) {
            *self.met.entry(key).or_default() += 1;
        }
        true
    }

    /// By another thread: an event is logged, and whoever reads the log may keep its writer waiting.
    fn tell(&mut self) {
        if self.telling.as_ref().is_some_and(|telling| !telling.is_finished()) {
            return;
        }
        let (met, outbox) = (std::mem::take(&mut self.met), self.outbox.clone());
        let version = self.view.get().kept.version;
        let telling = self.runtime.spawn_blocking(move || {
            for ((value, subject), count) in met {
                told(
                    &outbox,
                    &Hit {
                        kind: Kind::Domain,
                        value,
                        action: Action::Block,
                        blocked: true,
                        way: "dns".to_owned(),
                        subject,
                        version,
                        count,
                        pid: None,
                        program: None,
                        user: None,
                    },
                );
            }
        });
        self.telling = Some(telling);
    }
}
