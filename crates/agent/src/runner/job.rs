//! One order as its handler sees it, and the ways in which a handler may end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quell_catalog::{ActionKind, Secret};
use quell_wire::frame::{FromAgent, Progress};
use quell_wire::order;
use quell_wire::{Status, limits};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;

use super::Cancel;
use crate::outbox::Outbox;

/// Progress is told at most this often per order.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Secrets as they came with an order.
pub type Secrets = Arc<Vec<order::Secret>>;

/// One order being carried out.
#[derive(Debug)]
pub struct Job {
    /// Its id: names its work directory and its uploads.
    pub order_id: String,
    /// What is to be done.
    pub kind: ActionKind,
    /// With what, as the catalogue checked it.
    pub params: Value,
    /// 1 for the first attempt; more after the agent died during earlier ones.
    pub attempt: u32,
    /// Nothing may begin after this, microseconds since 1970.
    pub not_after_us: i64,
    /// Asked when the order shall stop.
    pub cancel: Cancel,
    pub(super) secrets: watch::Receiver<Option<Secrets>>,
    pub(super) outbox: Outbox,
    pub(super) told: Mutex<Option<Instant>>,
}

impl Job {
    /// Whether an earlier run of the agent began this order and died.
    pub fn is_resumed(&self) -> bool {
        self.attempt > 1
    }

    /// The parameters as the action's own type.
    pub fn params<T: DeserializeOwned>(&self) -> Result<T, Ending> {
        serde_json::from_value(self.params.clone())
            .map_err(|error| Ending::refused("params_invalid", error.to_string()))
    }

    /// A secret, if it is here already. Secrets are never kept on disk: after a restart they come with the
    /// next delivery of the order.
    pub fn secret_now(&self, secret: Secret) -> Option<String> {
        let secrets = self.secrets.borrow();
        find(secrets.as_ref()?, secret)
    }

    /// A secret; after a restart this waits for the next delivery of the order. `None` where the order has
    /// none of this name, or was canceled meanwhile.
    pub async fn secret(&self, secret: Secret) -> Option<String> {
        let mut secrets = self.secrets.clone();
        tokio::select! {
            arrived = secrets.wait_for(Option::is_some) => {
                arrived.ok().and_then(|secrets| find(secrets.as_ref()?, secret))
            }
            () = self.cancel.asked() => None,
        }
    }

    /// Tells how far the work is; more than twice a second is left out.
    pub fn progress(&self, done: u64, total: u64, note: &str) {
        let now = Instant::now();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|at| now.duration_since(at) < PROGRESS_EVERY) {
            return;
        }
        *told = Some(now);
        let note = clip(note);
        self.outbox.frame(FromAgent::Progress(Progress {
            order_id: self.order_id.clone(),
            done,
            total,
            note,
        }));
    }
}

fn find(secrets: &Secrets, secret: Secret) -> Option<String> {
    secrets.iter().find(|held| held.name == secret.as_str()).map(|held| held.value.clone())
}

/// How a handler ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The status.
    pub status: Status,
    /// A stable code where it is not `Done`.
    pub code: String,
    /// A sentence for a person where it is not `Done`.
    pub message: String,
    /// The catalogue's outcome struct, where there is one.
    pub result: Option<Value>,
}

impl Ending {
    fn new(status: Status, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: clip(&message.into()), result: None }
    }

    /// Carried out; `outcome` holds the evidence.
    pub fn done<T: Serialize>(outcome: &T) -> Self {
        match serde_json::to_value(outcome) {
            Ok(result) => Self {
                status: Status::Done,
                code: String::new(),
                message: String::new(),
                result: Some(result),
            },
            Err(error) => Self::failed("outcome_unwritable", error.to_string()),
        }
    }

    /// Tried, and not achieved.
    pub fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::new(Status::Failed, code, message)
    }

    /// Not tried: nothing was changed.
    pub fn refused(code: &str, message: impl Into<String>) -> Self {
        Self::new(Status::Refused, code, message)
    }

    /// It may have happened and nobody can know.
    pub fn indeterminate(code: &str, message: impl Into<String>) -> Self {
        Self::new(Status::Indeterminate, code, message)
    }

    /// Stopped on request.
    pub fn canceled(message: impl Into<String>) -> Self {
        Self::new(Status::Canceled, "canceled", message)
    }

    /// The same, with what is known of the effect.
    #[must_use]
    pub fn with<T: Serialize>(mut self, outcome: &T) -> Self {
        self.result = serde_json::to_value(outcome).ok();
        self
    }
}

/// Text of at most [`limits::MESSAGE`] bytes.
fn clip(text: &str) -> String {
    let mut end = text.len().min(limits::MESSAGE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// An error with its sources, in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
