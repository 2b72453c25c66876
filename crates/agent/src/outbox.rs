//! What waits to be said to the server. Outcomes of this moment wait as they are, as long as they are few; others as
//! names only: their bytes are in the journal until the server has acknowledged them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use quell_catalog::blocklist::report::{HIT, Hit};
use quell_host::guard;
use quell_wire::frame::{Event, FromAgent};
use quell_wire::{SignedOutcome, limits};
use serde_json::Value;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::recorder::Met;

/// Events kept while there is no connection; the oldest is given up beyond that.
const EVENTS: usize = 256;
/// Frames that wait at one time; progress is given up beyond that.
const FRAMES: usize = 8192;
/// Outcomes that wait with their bytes, which are then not read from the journal again. Bytes.
const AT_HAND: usize = 256 << 10;

/// What is to be said next.
#[derive(Debug)]
pub enum Next {
    /// A frame.
    Frame(FromAgent),
    /// The outcome of this order, to be read from the journal.
    Outcome(String),
    /// An outcome.
    Signed(SignedOutcome),
}

#[derive(Default)]
struct Queue {
    online: bool,
    events: VecDeque<Event>,
    frames: VecDeque<FromAgent>,
    outcomes: VecDeque<Next>,
    /// Bytes of the outcomes that wait as they are.
    at_hand: usize,
}

struct Inner {
    queue: Mutex<Queue>,
    bell: Notify,
    /// Rung when there is news and nobody to tell it to.
    news: Notify,
    clock: Clock,
    /// Who else is told of what is met.
    met: OnceLock<Box<dyn Fn(Met) + Send + Sync>>,
}

/// Shared by all who have something to say. Cheap to clone.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

impl std::fmt::Debug for Outbox {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Outbox")
    }
}

impl Outbox {
    /// An empty one.
    pub fn new(clock: Clock) -> Self {
        let (queue, met) = Default::default();
        Self(Arc::new(Inner { queue, bell: Notify::new(), news: Notify::new(), clock, met }))
    }

    /// A session stands; these outcomes are not acknowledged yet.
    pub fn online(&self, unacknowledged: Vec<String>) {
        let mut queue = self.queue();
        queue.online = true;
        queue.frames.clear();
        queue.outcomes = unacknowledged.into_iter().map(Next::Outcome).collect();
        queue.at_hand = 0;
        drop(queue);
        self.0.bell.notify_one();
    }

    /// The session ended. What is only of use to a listener is dropped.
    pub fn offline(&self) {
        let mut queue = self.queue();
        queue.online = false;
        queue.frames.clear();
        queue.outcomes.clear();
        queue.at_hand = 0;
    }

    /// Says something that is of use now or never.
    pub fn frame(&self, frame: FromAgent) {
        let mut queue = self.queue();
        let droppable = matches!(frame, FromAgent::Progress(_));
        if !queue.online || (droppable && queue.frames.len() >= FRAMES) {
            return;
        }
        queue.frames.push_back(frame);
        drop(queue);
        self.0.bell.notify_one();
    }

    /// An outcome is in the journal.
    pub fn outcome(&self, order_id: &str) {
        self.push(|_| Next::Outcome(order_id.to_owned()));
    }

    /// An order ended: its outcome, which is in the journal too.
    pub fn ended(&self, order_id: &str, signed: SignedOutcome) {
        self.push(|queue| {
            let size = size(&signed);
            if queue.at_hand + size > AT_HAND {
                return Next::Outcome(order_id.to_owned());
            }
            queue.at_hand += size;
            Next::Signed(signed)
        });
    }

    fn push(&self, outcome: impl FnOnce(&mut Queue) -> Next) {
        let mut queue = self.queue();
        // Without a session it waits in the journal, where the next one finds it.
        if queue.online {
            let next = outcome(&mut queue);
            queue.outcomes.push_back(next);
            drop(queue);
            self.0.bell.notify_one();
        }
    }

    /// Something happened that no order asked for. Kept until there is a session.
    pub fn event(&self, kind: &str, detail: &Value) {
        let mut bytes = serde_json::to_vec(detail).unwrap_or_default();
        if bytes.len() > limits::EVENT {
            bytes = b"{\"truncated\":true}".to_vec();
        }
        tracing::info!(event.kind = kind, detail = %detail, "event");
        let event = Event { kind: kind.to_owned(), detail: bytes, at_us: self.0.clock.now_us() };
        let mut queue = self.queue();
        if queue.events.len() >= EVENTS {
            queue.events.pop_front();
        }
        queue.events.push_back(event);
        let is_online = queue.online;
        drop(queue);
        if is_online { self.0.bell.notify_one() } else { self.0.news.notify_one() }
    }

    /// Who else is told of what is met, from now on. Said once.
    pub fn on_met(&self, told: impl Fn(Met) + Send + Sync + 'static) {
        let _ = self.0.met.set(Box::new(told));
    }

    /// Something listed was met; `tried`: by the execution guard.
    pub fn hit(&self, hit: &Hit, tried: Option<&guard::Hit>) {
        match serde_json::to_value(hit) {
            Ok(detail) => self.event(HIT, &detail),
            Err(error) => tracing::error!(%error, "a hit cannot be told"),
        }
        if let Some(told) = self.0.met.get() {
            told(Met::Listed(Box::new(hit.clone()), tried.cloned().map(Box::new)));
        }
    }

    /// Content that is kept from running was met by the execution guard.
    pub fn kept(&self, kind: &str, tried: &guard::Hit) {
        match serde_json::to_value(tried) {
            Ok(detail) => self.event(kind, &detail),
            Err(error) => tracing::error!(%error, "a hit cannot be told"),
        }
        if let Some(told) = self.0.met.get() {
            told(Met::Kept(Box::new(tried.clone())));
        }
    }

    /// Waits, without a session, until there is an event that the server should hear of soon.
    pub async fn news(&self) {
        loop {
            self.0.news.notified().await;
            // Rung for an event that an earlier session has taken along means nothing.
            if self.has_news() {
                return;
            }
        }
    }

    /// Whether an event waits to be told.
    pub fn has_news(&self) -> bool {
        !self.queue().events.is_empty()
    }

    /// Waits until there may be something to say.
    pub async fn ready(&self) {
        self.0.bell.notified().await;
    }

    /// Takes what is to be said next.
    pub fn take(&self) -> Option<Next> {
        let mut queue = self.queue();
        if let Some(event) = queue.events.pop_front() {
            return Some(Next::Frame(FromAgent::Event(event)));
        }
        if let Some(frame) = queue.frames.pop_front() {
            return Some(Next::Frame(frame));
        }
        let next = queue.outcomes.pop_front();
        if let Some(Next::Signed(signed)) = &next {
            queue.at_hand = queue.at_hand.saturating_sub(size(signed));
        }
        next
    }

    /// Puts an event back that could not be sent.
    pub fn give_back(&self, frame: FromAgent) {
        if let FromAgent::Event(event) = frame {
            self.queue().events.push_front(event);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(signed: &SignedOutcome) -> usize {
    signed.outcome.len() + signed.signature.len()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn outcomes_wait_as_they_are_while_they_are_few_and_keep_their_order() {
        let outbox = Outbox::new(Clock::from_fn(|| 0));
        let signed = |size: usize| SignedOutcome { outcome: vec![1; size - 64], signature: vec![2; 64] };
        outbox.ended("lost", signed(100));
        assert!(outbox.take().is_none(), "without a session it waits in the journal");
        outbox.online(vec!["old".to_owned()]);
        outbox.ended("a", signed(AT_HAND - 100));
        outbox.ended("b", signed(101));
        outbox.ended("c", signed(100));
        assert!(matches!(outbox.take().unwrap(), Next::Outcome(id) if id == "old"));
        assert!(matches!(outbox.take().unwrap(), Next::Signed(_)));
        assert!(
            matches!(outbox.take().unwrap(), Next::Outcome(id) if id == "b"),
            "more than is kept at hand"
        );
        assert!(matches!(outbox.take().unwrap(), Next::Signed(_)));
        assert!(outbox.take().is_none());
        outbox.ended("d", signed(AT_HAND));
        assert!(matches!(outbox.take().unwrap(), Next::Signed(_)), "there is room again");
    }
}
