//! What waits to be said to the server. Outcomes wait as names only: their bytes stay in the journal until
//! they are sent, and again until the server has acknowledged them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quell_wire::frame::{Event, FromAgent};
use quell_wire::limits;
use serde_json::Value;
use tokio::sync::Notify;

use crate::clock::Clock;

/// Events kept while there is no connection; the oldest is given up beyond that.
const EVENTS: usize = 256;
/// Frames that wait at one time; progress is given up beyond that.
const FRAMES: usize = 8192;

/// What is to be said next.
#[derive(Debug)]
pub enum Next {
    /// A frame.
    Frame(FromAgent),
    /// The outcome of this order.
    Outcome(String),
}

#[derive(Default)]
struct Queue {
    online: bool,
    events: VecDeque<Event>,
    frames: VecDeque<FromAgent>,
    outcomes: VecDeque<String>,
}

struct Inner {
    queue: Mutex<Queue>,
    bell: Notify,
    /// Rung when there is news and nobody to tell it to.
    news: Notify,
    clock: Clock,
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
        Self(Arc::new(Inner { queue: Mutex::default(), bell: Notify::new(), news: Notify::new(), clock }))
    }

    /// A session stands; these outcomes are not acknowledged yet.
    pub fn online(&self, unacknowledged: Vec<String>) {
        let mut queue = self.queue();
        queue.online = true;
        queue.frames.clear();
        queue.outcomes = unacknowledged.into();
        drop(queue);
        self.0.bell.notify_one();
    }

    /// The session ended. What is only of use to a listener is dropped.
    pub fn offline(&self) {
        let mut queue = self.queue();
        queue.online = false;
        queue.frames.clear();
        queue.outcomes.clear();
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
        let mut queue = self.queue();
        // Without a session it waits in the journal, where the next one finds it.
        if queue.online {
            queue.outcomes.push_back(order_id.to_owned());
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
        queue.outcomes.pop_front().map(Next::Outcome)
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
